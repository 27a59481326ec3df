//! Monitoring without its kinds, or switched off.

use erpgo_crds::ConditionType;
use erpgo_operator::reconcile::observed::{ApiPresence, Observed};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::situation::{condition, planned, serving, two_pods};

#[test]
fn a_missing_optional_crd_is_told_and_stops_nothing() {
    let erpgo = two_pods();
    let seen = Observed {
        available_apis: ApiPresence::default(),
        ..serving(&erpgo)
    };
    let monitoring = condition(&erpgo, &seen, ConditionType::MonitoringReady);
    assert_eq!(
        (monitoring.status.as_str(), monitoring.reason.as_str()),
        ("False", "CRDMissing")
    );
    assert!(monitoring.message.contains("install them"));
    let ready = condition(&erpgo, &seen, ConditionType::Ready);
    assert_eq!(ready.status, "True", "{ready:?}");
}

#[test]
fn monitoring_is_told_as_it_is() {
    let none = ApiPresence::default();
    let one = ApiPresence {
        service_monitor: true,
        ..none
    };
    let all = ApiPresence {
        prometheus_rule: true,
        ..one
    };
    for (enabled, alerts, apis, told, words) in [
        (true, true, all, "True Applied", "are in place"),
        (true, false, all, "True Applied", "no alert rules"),
        (true, false, one, "True Applied", "scraping is in place"),
        (true, true, one, "False CRDMissing", "no alert rules"),
        (true, true, none, "False CRDMissing", "nothing is scraped"),
        (true, false, none, "False CRDMissing", "nothing is scraped"),
        (false, true, all, "True Disabled", "nothing is scraped"),
        (false, true, none, "True Disabled", "nothing is scraped"),
        (false, false, all, "True Disabled", "nothing is scraped"),
    ] {
        let mut erpgo = two_pods();
        erpgo.spec.monitoring.enabled = enabled;
        erpgo.spec.monitoring.alerts.enabled = alerts;
        let seen = Observed {
            available_apis: apis,
            ..serving(&erpgo)
        };
        let Condition {
            status,
            reason,
            message,
            ..
        } = condition(&erpgo, &seen, ConditionType::MonitoringReady);
        assert_eq!(format!("{status} {reason}"), told, "{message}");
        assert!(message.contains(words), "{words}: {message}");
        let made = planned(&erpgo, &seen).desired.unwrap();
        let scraped = made.service_monitor.is_some();
        assert_eq!(message.contains("nothing is scraped"), !scraped);
        let ruled = made.prometheus_rule.is_some();
        assert_eq!(message.contains("alert rules are in place"), ruled);
    }
}
