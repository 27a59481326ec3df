//! The kit's own tests: each component comes up, is isolated, breaks on request and goes away.

#[cfg(test)]
mod kit {
    mod apiserver;
    mod capture;
    mod moto;
    mod postgres;
    mod proxy;
    mod redis;
    mod services;
    mod vault;
}
