//! stub
pub(crate) struct AccessRing(parking_lot::Mutex<Vec<u64>>);
pub(crate) struct Drain(u64);
impl Drain {
    pub(crate) fn recorded(&self) -> u64 {
        self.0
    }
    pub(crate) fn lost(&self) -> u64 {
        0
    }
}
impl AccessRing {
    pub(crate) fn new() -> Self {
        Self(Default::default())
    }
    pub(crate) fn drain_state(&self) -> Drain {
        Drain(0)
    }
    pub(crate) fn record(&self, i: u64) -> bool {
        self.0.lock().push(i);
        false
    }
    pub(crate) fn attempted(&self) -> u64 {
        0
    }
    pub(crate) fn drain(&self, d: &mut Drain, mut f: impl FnMut(u64)) {
        for i in self.0.lock().drain(..) {
            d.0 += 1;
            f(i)
        }
    }
}
