//! Nothing: the benches of this crate are all that it is for. They are apart from those of the library, as they need
//! valgrind and a runner.
