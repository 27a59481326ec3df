//! Command line entry of the secrets sidecar; everything is in the library.
use std::alloc::System;
use std::process::ExitCode;

use zeroizing_alloc::ZeroAlloc;

// Buffers of HTTP, TLS and JSON see every value on its way to the tmpfs and are not ours to overwrite;
// with this, whatever is freed is. The process is small, so it costs nothing that can be measured.
#[global_allocator]
static HEAP: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    sidecar_secrets::cli::main(std::env::args_os().skip(1))
}
