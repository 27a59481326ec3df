//! The operator as a process that is killed in the middle of what it does, and what it asks for at all.

#[cfg(test)]
mod crashes {
    mod deletes;
    mod end;
    mod every_write;
    mod gate;
    mod http;
    mod play;
    mod pods;
}
