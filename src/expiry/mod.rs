//! Expiry: deadlines in, due slots out. No clock in here: the caller says what time it is.

mod wheel;

pub(crate) use wheel::TimerWheel;
