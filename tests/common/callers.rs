//! Who calls a cache: threads, and tasks on executors of three kinds. What holds for all is one test body, run by each.

#![allow(dead_code, unreachable_pub, reason = "every test file uses a part of this")]

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

/// Who calls, and on what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    Thread,
    /// A thread that runs one future: on an executor of fifteen lines, on smol's or on tokio's.
    ByHand,
    Smol,
    Tokio,
}

pub const CALLERS: [Caller; 4] = [Caller::Thread, Caller::ByHand, Caller::Smol, Caller::Tokio];

impl Caller {
    /// Runs a future to its end.
    pub fn run<F: Future>(self, future: F) -> F::Output {
        match self {
            Self::Thread => unreachable!("a thread calls the blocking methods"),
            Self::ByHand => by_hand(future),
            Self::Smol => smol::block_on(future),
            Self::Tokio => tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime without drivers")
                .block_on(future),
        }
    }
}

fn by_hand<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

/// Pending `polls` times.
pub async fn yields(mut polls: usize) {
    poll_fn(|context| {
        if polls == 0 {
            return Poll::Ready(());
        }
        polls -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
