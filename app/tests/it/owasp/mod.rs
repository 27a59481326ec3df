//! OWASP API Security Top 10 (2023), one module a risk.

mod api01_object_level;
mod api02_authentication;
mod api03_properties;
mod api04_consumption;
mod api05_functions;
mod api06_business_flows;
mod api07_ssrf;
mod api08_configuration;
mod api09_inventory;
mod api10_consumed_apis;
