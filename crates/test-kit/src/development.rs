//! What the API takes from its environment in development.

/// Secrets by their variables; `DATABASE_URL` is each test's own.
pub const SECRETS: [(&str, &str); 4] = [
    ("ERPGO_DEV_SECRETS", "env"),
    (
        "JWT_SECRET",
        "mU3xQ9vT1zL7pW5kR2nB8cD4fG6hJ0sYaEoIuXtVrNqAbCd",
    ),
    (
        "REFRESH_SECRET",
        "Zk4uP0yH8wC2mS6bF1xJ5vN9tR3dL7gQaTeYiWoUzXpAbCd",
    ),
    ("PASSWORD_PEPPER", "b7VhK2sXw9RfTq4Lm1Zc"),
];
