//! Turns an `ErpGo` resource into a running ERP API.

fn main() -> std::process::ExitCode {
    erpgo_operator::cli::main()
}
