//! The operator as a process that is killed in the middle of what it does.

#[cfg(test)]
mod crashes {
    mod end;
    mod every_write;
    mod gate;
    mod http;
    mod play;
    mod pods;
}
