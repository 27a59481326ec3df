//! What the watches tell of the children of each `ErpGo`.
//!
//! Owns [`Children`]: which labelled objects there are and at which version, a few bytes each, so that
//! a reconcile asks for what exists and not for what might. It performs no request and holds no body.
//! It lags behind the API server: it may spare a question, and must never be the reason for a write.
//! What it does not know yet wakes a reconcile as soon as the watch tells of it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::runtime::progress::Key;

/// Kinds of which observe reads more than what we wrote: our own change of one is news as well.
const OBSERVED: [&str; 3] = ["Deployment", "HorizontalPodAutoscaler", "Job"];

/// What is known of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It was there when the watch last told.
    Known,
    /// Nothing of this name bears our label.
    Absent,
    /// The kind has not been listed.
    Unknown,
}

/// The children of every `ErpGo`. Bounded by the number of objects that bear our label.
pub struct Children {
    state: Mutex<State>,
    looked: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    kinds: HashMap<&'static str, Look>,
    of: HashMap<Key, Vec<Child>>,
    looked: bool,
}

/// How far the watch of one kind is.
#[derive(Default)]
struct Look {
    // Which list is the newest: what it does not name is gone.
    pass: u32,
    listed: bool,
    tried: bool,
}

struct Child {
    kind: &'static str,
    name: Box<str>,
    version: Box<str>,
    pass: u32,
}

impl Default for Children {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            looked: watch::channel(false).0,
        }
    }
}

impl Children {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic between two statements here loses a hint at most.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that `kind` will be watched; the first look is over when each such kind was tried.
    pub fn announce(&self, kind: &'static str) {
        self.state().kinds.entry(kind).or_default();
    }

    /// Waits until every kind was listed or has failed to be, for `limit` at most. From then on
    /// changes are news: a reconcile that begins later sees what was there before.
    pub async fn first_look(&self, limit: Duration) {
        let mut looked = self.looked.subscribe();
        let all = looked.wait_for(|looked| *looked);
        if tokio::time::timeout(limit, all).await.is_err() {
            self.open(&mut self.state());
        }
    }

    fn open(&self, state: &mut State) {
        state.looked = true;
        self.looked.send_replace(true);
    }

    fn tried(&self, state: &mut State, kind: &'static str) {
        state.kinds.entry(kind).or_default().tried = true;
        if state.kinds.values().all(|look| look.tried) {
            self.open(state);
        }
    }

    /// Notes that a list of `kind` begins.
    pub fn begun(&self, kind: &'static str) {
        let mut state = self.state();
        let look = state.kinds.entry(kind).or_default();
        look.pass = look.pass.wrapping_add(1);
    }

    /// Notes that the list of `kind` is complete. Returns whose children have gone meanwhile.
    pub fn listed(&self, kind: &'static str) -> Vec<Key> {
        let mut state = self.state();
        let look = state.kinds.entry(kind).or_default();
        look.listed = true;
        let pass = look.pass;
        let stays = |child: &Child| child.kind != kind || child.pass == pass;
        let mut bereft = Vec::new();
        state.of.retain(|key, children| {
            let before = children.len();
            children.retain(stays);
            if children.len() < before {
                bereft.push(key.clone());
            }
            !children.is_empty()
        });
        self.tried(&mut state, kind);
        bereft
    }

    /// Notes that `kind` cannot be listed or watched now.
    pub fn failed(&self, kind: &'static str) {
        self.tried(&mut self.state(), kind);
    }

    /// Notes a child as the watch shows it. Returns whether that is news.
    pub fn saw(&self, kind: &'static str, of: &Key, name: &str, version: &str) -> bool {
        let mut state = self.state();
        state.put(kind, of, name, version) && state.looked
    }

    /// Notes that the watch shows a child to be gone. Returns whether that is news.
    pub fn saw_end(&self, kind: &'static str, of: &Key, name: &str) -> bool {
        let mut state = self.state();
        state.remove(kind, of, name);
        state.looked
    }

    /// Notes what we wrote, so that the watch's echo wakes nobody.
    pub fn wrote(&self, kind: &'static str, of: &Key, name: &str, version: &str) {
        let echo_is_news = OBSERVED.contains(&kind);
        let version = if echo_is_news { "" } else { version };
        self.state().put(kind, of, name, version);
    }

    /// Notes that a child was found to be gone.
    pub fn is_gone(&self, kind: &'static str, of: &Key, name: &str) {
        self.state().remove(kind, of, name);
    }

    /// What is known of one child.
    pub fn presence(&self, kind: &'static str, of: &Key, name: &str) -> Presence {
        let state = self.state();
        if state.find(kind, of, name).is_some() {
            return Presence::Known;
        }
        let listed = state.kinds.get(kind).is_some_and(|look| look.listed);
        if listed {
            Presence::Absent
        } else {
            Presence::Unknown
        }
    }

    /// Names of the children of one kind, sorted; none while the kind has not been listed.
    pub fn names(&self, kind: &'static str, of: &Key) -> Option<Vec<String>> {
        let state = self.state();
        state.kinds.get(kind).filter(|look| look.listed)?;
        let children = state.of.get(of).into_iter().flatten();
        let mut names: Vec<String> = children
            .filter(|child| child.kind == kind)
            .map(|child| child.name.to_string())
            .collect();
        names.sort_unstable();
        Some(names)
    }
}

impl State {
    fn find(&self, kind: &'static str, of: &Key, name: &str) -> Option<&Child> {
        let mut children = self.of.get(of)?.iter();
        children.find(|child| child.kind == kind && *child.name == *name)
    }

    // Whether it was not known at this version. Of kinds that are not watched nothing is kept: nobody
    // would tell of their end.
    fn put(&mut self, kind: &'static str, of: &Key, name: &str, version: &str) -> bool {
        let Some(pass) = self.kinds.get(kind).map(|look| look.pass) else {
            return true;
        };
        let children = self.of.entry(of.clone()).or_default();
        let mut known = children.iter_mut();
        match known.find(|child| child.kind == kind && *child.name == *name) {
            Some(child) => {
                child.pass = pass;
                let news = *child.version != *version;
                if news {
                    child.version = version.into();
                }
                news
            }
            None => {
                children.push(Child {
                    kind,
                    name: name.into(),
                    version: version.into(),
                    pass,
                });
                true
            }
        }
    }

    fn remove(&mut self, kind: &'static str, of: &Key, name: &str) {
        let Some(children) = self.of.get_mut(of) else {
            return;
        };
        children.retain(|child| child.kind != kind || *child.name != *name);
        if children.is_empty() {
            self.of.remove(of);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop() -> Key {
        Key {
            namespace: "market".into(),
            name: "shop".into(),
        }
    }

    fn listed(kinds: &[&'static str]) -> Children {
        let children = Children::default();
        for kind in kinds {
            children.announce(kind);
        }
        for kind in kinds {
            children.begun(kind);
            children.listed(kind);
        }
        children
    }

    #[test]
    fn nothing_is_absent_before_its_kind_was_listed() {
        let children = Children::default();
        children.announce("Ingress");
        children.begun("Ingress");
        let presence = || children.presence("Ingress", &shop(), "shop");
        assert_eq!(presence(), Presence::Unknown);
        assert_eq!(children.names("Ingress", &shop()), None);
        children.listed("Ingress");
        assert_eq!(presence(), Presence::Absent);
        children.saw("Ingress", &shop(), "shop", "7");
        assert_eq!(presence(), Presence::Known);
        assert_eq!(
            children.names("Ingress", &shop()),
            Some(vec!["shop".into()])
        );
        children.is_gone("Ingress", &shop(), "shop");
        assert_eq!(presence(), Presence::Absent);
    }

    #[test]
    fn changes_are_news_after_the_first_look_and_our_own_are_not() {
        let children = Children::default();
        children.announce("Service");
        children.begun("Service");
        assert!(!children.saw("Service", &shop(), "shop", "7"));
        children.listed("Service");
        assert!(!children.saw("Service", &shop(), "shop", "7"));
        assert!(children.saw("Service", &shop(), "shop", "8"));
        children.wrote("Service", &shop(), "shop", "9");
        assert!(!children.saw("Service", &shop(), "shop", "9"));
        assert!(children.saw("Service", &shop(), "shop", "10"));
        assert!(children.saw_end("Service", &shop(), "shop"));
    }

    #[test]
    fn a_kind_that_is_not_watched_stays_unknown() {
        let children = listed(&["Service"]);
        children.wrote("HTTPRoute", &shop(), "shop", "9");
        let presence = children.presence("HTTPRoute", &shop(), "shop");
        assert_eq!(presence, Presence::Unknown);
    }

    #[test]
    fn our_own_change_of_what_observe_reads_is_news() {
        let children = listed(&OBSERVED);
        for kind in OBSERVED {
            children.wrote(kind, &shop(), "shop", "9");
            assert!(children.saw(kind, &shop(), "shop", "9"), "{kind}");
        }
    }

    #[test]
    fn what_a_later_list_does_not_name_is_gone_and_whose_it_was_is_told() {
        let children = listed(&["Service", "Ingress"]);
        for name in ["shop", "old"] {
            children.saw("Service", &shop(), name, "1");
        }
        children.saw("Ingress", &shop(), "shop", "1");
        children.begun("Service");
        assert!(!children.saw("Service", &shop(), "shop", "1"));
        children.wrote("Service", &shop(), "made-meanwhile", "2");
        assert_eq!(children.listed("Service"), [shop()]);
        let names = children.names("Service", &shop()).unwrap();
        assert_eq!(names, ["made-meanwhile", "shop"]);
        let ingress = children.presence("Ingress", &shop(), "shop");
        assert_eq!(ingress, Presence::Known);
        assert!(children.listed("Service").is_empty());
    }

    fn half_listed() -> Children {
        let children = Children::default();
        children.announce("Service");
        children.announce("Ingress");
        children.listed("Service");
        children
    }

    #[tokio::test]
    async fn the_first_look_ends_when_each_kind_was_tried() {
        let children = half_listed();
        let long = Duration::from_secs(3600);
        let look = std::pin::pin!(children.first_look(long));
        assert_eq!(futures::poll!(look), std::task::Poll::Pending);
        children.failed("Ingress");
        children.first_look(long).await;
        let unknown = children.presence("Ingress", &shop(), "shop");
        assert_eq!(unknown, Presence::Unknown);
    }

    #[tokio::test]
    async fn after_a_first_look_that_took_too_long_everything_is_news() {
        let children = half_listed();
        assert!(!children.saw("Ingress", &shop(), "shop", "1"));
        children.first_look(Duration::from_millis(1)).await;
        assert!(children.saw("Ingress", &shop(), "shop", "2"));
        assert!(children.saw("Ingress", &shop(), "blog", "1"));
    }
}
