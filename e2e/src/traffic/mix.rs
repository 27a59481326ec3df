//! What is asked of the API: the daily work of a shop, most of it reading.

use serde_json::json;

/// A kind of request, with its share of a thousand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// One product.
    Read,
    /// A part of the list of products.
    List,
    /// Who one is.
    Profile,
    /// A new product.
    Create,
    /// A changed product.
    Update,
    /// A sign-in; not part of the mix.
    SignIn,
}

/// Of a thousand requests in a row.
const SHARES: [(Class, u32); 5] = [
    (Class::Read, 600),
    (Class::List, 200),
    (Class::Profile, 100),
    (Class::Create, 50),
    (Class::Update, 50),
];

/// A request as it is sent.
#[derive(Clone, Debug)]
pub struct Request {
    /// What it asks.
    pub class: Class,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What is needed to ask.
#[derive(Clone, Debug)]
pub struct Mix {
    /// Access token.
    pub token: String,
    /// Ids of products.
    pub products: Vec<String>,
    /// Tells the products of this run from those of others.
    pub run: String,
}

impl Mix {
    /// The `n`th request.
    #[must_use]
    pub fn request(&self, n: u32) -> Request {
        self.of(class(n), n)
    }

    /// The `n`th request of this class.
    #[must_use]
    pub fn of(&self, class: Class, n: u32) -> Request {
        let index = usize::try_from(n).unwrap_or(0) % self.products.len().max(1);
        let id = self.products.get(index).map_or("", String::as_str);
        let product =
            |sku: &str| json!({"sku": sku, "name": "Load", "price": "9.90", "currency": "EUR"});
        let bytes = match class {
            Class::Read => self.send("GET", &format!("/api/v1/products/{id}"), "", None),
            Class::List => self.send(
                "GET",
                "/api/v1/products?limit=20&sort=-created_at",
                "",
                None,
            ),
            Class::Profile => self.send("GET", "/api/v1/profile", "", None),
            Class::Create => {
                let sku = format!("{}-{n}", self.run);
                let key = format!("idempotency-key: {sku}\r\n");
                self.send("POST", "/api/v1/products", &key, Some(product(&sku)))
            }
            Class::Update => {
                let path = format!("/api/v1/products/{id}");
                self.send(
                    "PUT",
                    &path,
                    "if-match: *\r\n",
                    Some(product(&format!("P-{index}"))),
                )
            }
            Class::SignIn => {
                let body = json!({"email": format!("nobody{n}@example.org"), "password": "no such password"});
                self.send("POST", "/api/v1/auth/login", "", Some(body))
            }
        };
        Request { class, bytes }
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        more: &str,
        body: Option<serde_json::Value>,
    ) -> Vec<u8> {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let kind = if body.is_empty() {
            String::new()
        } else {
            format!(
                "content-type: application/json\r\ncontent-length: {}\r\n",
                body.len()
            )
        };
        format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {}\r\n{more}{kind}\r\n{body}",
            self.token
        )
        .into_bytes()
    }
}

/// Spread evenly: 337 has no divisor in common with 1000, so that every class comes in its turn.
fn class(n: u32) -> Class {
    let mut left = (n % 1000) * 337 % 1000;
    for (class, share) in SHARES {
        if left < share {
            return class;
        }
        left -= share;
    }
    Class::Read
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_requests_have_the_shares_that_the_mix_says() {
        assert_eq!(SHARES.iter().map(|(_, share)| share).sum::<u32>(), 1000);
        for (wanted, share) in SHARES {
            let found = (0..1000).filter(|n| class(*n) == wanted).count();
            assert_eq!(u32::try_from(found), Ok(share), "{wanted:?}");
        }
    }
}
