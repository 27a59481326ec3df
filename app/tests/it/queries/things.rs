//! Calls on products, on the audit log and of probes.

use http::Method;

use super::stage::{Call, Stage, product};

pub async fn call(stage: &Stage, operation: &str) -> Option<Call> {
    let (method, path) = operation.split_once(' ')?;
    let method: Method = method.parse().ok()?;
    if path.starts_with("/health/") {
        return Some(Call::new(method, path, ""));
    }
    if path.starts_with("/api/v1/products") {
        return products(stage, operation, method, path).await;
    }
    let query = match operation {
        "GET /api/v1/audit" => "?limit=1000",
        "GET /api/v1/audit/export" => "",
        _ => return None,
    };
    Some(Call::new(method, format!("{path}{query}"), &stage.admin))
}

async fn products(stage: &Stage, operation: &str, method: Method, path: &str) -> Option<Call> {
    let sku = uuid::Uuid::new_v4().simple().to_string();
    if operation == "GET /api/v1/products" {
        // A numbered page is counted, too.
        let page = format!("{path}?page=1&limit=1000&active=true&currency=EUR&sort=price");
        return Some(Call::new(method, page, &stage.admin));
    }
    if operation == "POST /api/v1/products" {
        let call = Call::new(method, path, &stage.admin).once();
        return Some(call.with(product(&sku)));
    }
    let id = stage.product(&sku).await;
    let call = Call::new(method, path.replace("{id}", &id), &stage.admin);
    Some(match operation {
        "GET /api/v1/products/{id}" => call,
        "PUT /api/v1/products/{id}" => call.header("if-match", "*").with(product(&sku)),
        "DELETE /api/v1/products/{id}" => call.header("if-match", "*"),
        _ => return None,
    })
}
