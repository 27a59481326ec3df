//! From link to link.
//!
//! Owns [`Walk`] and [`Break`]: pure, so that every way of tampering can be tried without a database.

use jiff::Timestamp;

use crate::audit::chain::{Hash, Stored, leaf, link};
use crate::audit::seal::Head;

/// One link as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Position from 1.
    pub position: i64,
    /// The event that it seals.
    pub seq: i64,
    /// When that took place.
    pub event_at: Timestamp,
    /// Hash of the event.
    pub leaf: Hash,
    /// Hash of everything up to here.
    pub hash: Hash,
}

/// Where the walk begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// The link before the first one that is there.
    pub head: Head,
    /// Events older than this may be gone.
    pub horizon: Timestamp,
    /// Whether links were dropped that are not old enough.
    pub too_young: bool,
}

/// What lies outside of the chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loose {
    /// Events that wait for their seal.
    pub pending: i64,
    /// An event that neither is sealed nor waits for it.
    pub unsealed: Option<i64>,
    /// A note of an event that is not there.
    pub vanished: Option<i64>,
}

/// The first thing that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Break {
    /// A link is not there.
    #[error("the link at position {0} is missing")]
    MissingLink(i64),
    /// A link was changed, or one before it.
    #[error("the link at position {0} does not follow from the one before it")]
    ChangedLink(i64),
    /// An event was changed after it was sealed.
    #[error("event {seq}, sealed at position {position}, was changed after it was sealed")]
    ChangedEvent {
        /// Its number.
        seq: i64,
        /// Its link.
        position: i64,
    },
    /// An event was taken out.
    #[error("event {seq}, sealed at position {position}, is missing and less than a year old")]
    MissingEvent {
        /// Its number.
        seq: i64,
        /// Its link.
        position: i64,
    },
    /// An event was put in, or its link taken out.
    #[error("event {0} was never sealed and does not wait for it")]
    Unsealed(i64),
    /// An event was taken out before it was sealed.
    #[error("event {0} was taken out before it was sealed")]
    Vanished(i64),
    /// The chain does not reach as far as it did.
    #[error(
        "the chain ends at position {end}, and the anchor is at {anchor}: its tail was cut off"
    )]
    CutOff {
        /// Where it ends.
        end: i64,
        /// Where it has been.
        anchor: i64,
    },
    /// The chain is another one.
    #[error(
        "the link at position {0} is not the one that the anchor names: the chain was rewritten"
    )]
    Rewritten(i64),
    /// The anchor cannot be held against anything any more.
    #[error("the anchor at position {0} lies before the oldest link; use a newer one")]
    OldAnchor(i64),
    /// Months were dropped that are less than a year old.
    #[error("links up to position {0} were dropped though they are less than a year old")]
    DroppedEarly(i64),
}

/// How far the chain was followed.
#[derive(Clone, Debug)]
pub struct Walk {
    beginning: Beginning,
    head: Head,
    anchor: Option<Head>,
    links: u64,
}

impl Walk {
    /// Before the first link.
    #[must_use]
    pub fn from(beginning: Beginning, anchor: Option<Head>) -> Self {
        Self {
            head: beginning.head,
            beginning,
            anchor,
            links: 0,
        }
    }

    /// The last link that was found good.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.head
    }

    /// Goes on to `next`, which seals `event`.
    ///
    /// # Errors
    /// What is wrong with either.
    pub fn step(&mut self, next: &Link, event: Option<&Stored>) -> Result<(), Break> {
        let position = self.head.position + 1;
        if next.position != position {
            return Err(Break::MissingLink(position));
        }
        self.check_event(next, event)?;
        if next.hash != link(&self.head.hash, position, &next.leaf) {
            return Err(Break::ChangedLink(position));
        }
        self.head = Head {
            position,
            hash: next.hash,
        };
        self.links += 1;
        match self.anchor {
            Some(anchor) if anchor.position == position && anchor.hash != next.hash => {
                Err(Break::Rewritten(position))
            }
            _ => Ok(()),
        }
    }

    fn check_event(&self, next: &Link, event: Option<&Stored>) -> Result<(), Break> {
        let (seq, position) = (next.seq, next.position);
        match event {
            Some(event) if leaf(event) == next.leaf => Ok(()),
            Some(_) => Err(Break::ChangedEvent { seq, position }),
            None if next.event_at < self.beginning.horizon => Ok(()),
            None => Err(Break::MissingEvent { seq, position }),
        }
    }

    /// After the last link; the answer is how many there were, and the last one.
    ///
    /// # Errors
    /// What is wrong with the end, the beginning, or what lies outside.
    pub fn end(&self, loose: &Loose) -> Result<(u64, Head), Break> {
        if self.beginning.too_young {
            return Err(Break::DroppedEarly(self.beginning.head.position));
        }
        if let Some(anchor) = self.anchor {
            if anchor.position > self.head.position {
                return Err(Break::CutOff {
                    end: self.head.position,
                    anchor: anchor.position,
                });
            }
            if anchor.position < self.beginning.head.position {
                return Err(Break::OldAnchor(anchor.position));
            }
        }
        if let Some(seq) = loose.unsealed {
            return Err(Break::Unsealed(seq));
        }
        if let Some(seq) = loose.vanished {
            return Err(Break::Vanished(seq));
        }
        Ok((self.links, self.head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::chain::GENESIS;
    use crate::audit::chain::tests::stored;
    use proptest::prelude::*;

    fn beginning() -> Beginning {
        Beginning {
            head: Head {
                position: 0,
                hash: GENESIS,
            },
            horizon: Timestamp::UNIX_EPOCH,
            too_young: false,
        }
    }

    fn chain(events: &[Stored]) -> Vec<Link> {
        let mut hash = GENESIS;
        let mut links = Vec::new();
        for (position, event) in (1..).zip(events) {
            let leaf = leaf(event);
            hash = link(&hash, position, &leaf);
            links.push(Link {
                position,
                seq: event.seq,
                event_at: event.at,
                leaf,
                hash,
            });
        }
        links
    }

    fn walk(pairs: &[(Link, Option<Stored>)], anchor: Option<Head>) -> Result<Head, Break> {
        let mut walk = Walk::from(beginning(), anchor);
        for (link, event) in pairs {
            walk.step(link, event.as_ref())?;
        }
        walk.end(&Loose::default()).map(|(_, head)| head)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        /// P16: whatever is changed, taken out or moved, the walk names the place.
        #[test]
        fn p16_every_change_of_a_sealed_log_is_found(
            events in proptest::collection::vec(stored(), 2..12),
            at in any::<proptest::sample::Index>(),
            way in 0..6,
        ) {
            let links = chain(&events);
            let good: Vec<_> = links.iter().cloned().zip(events.iter().cloned().map(Some)).collect();
            let head = walk(&good, None).unwrap();
            prop_assert_eq!(walk(&good, Some(head)), Ok(head));
            let victim = at.index(good.len());
            let position = victim as i64 + 1;
            let seq = good[victim].0.seq;
            let mut bad = good.clone();
            let expected = match way {
                0 => {
                    bad[victim].1.as_mut().unwrap().detail.push(' ');
                    Break::ChangedEvent { seq, position }
                }
                1 => {
                    bad[victim].1 = None;
                    Break::MissingEvent { seq, position }
                }
                2 => {
                    bad[victim].0.hash[7] ^= 1;
                    Break::ChangedLink(position)
                }
                3 => {
                    // Event and leaf agree, and the link gives it away.
                    let event = bad[victim].1.as_mut().unwrap();
                    event.detail.push(' ');
                    let leaf = leaf(event);
                    bad[victim].0.leaf = leaf;
                    Break::ChangedLink(position)
                }
                4 => {
                    bad.truncate(victim);
                    Break::CutOff { end: victim as i64, anchor: head.position }
                }
                _ => {
                    // A whole new chain, consistent in itself.
                    let mut events = events.clone();
                    events[victim].detail.push(' ');
                    bad = chain(&events).into_iter().zip(events.into_iter().map(Some)).collect();
                    Break::Rewritten(head.position)
                }
            };
            prop_assert_eq!(walk(&bad, Some(head)), Err(expected));
            if victim + 1 < good.len() {
                let mut bad = good.clone();
                bad.remove(victim);
                prop_assert_eq!(walk(&bad, None), Err(Break::MissingLink(position)));
            }
        }
    }

    #[test]
    fn what_lies_outside_of_the_chain_is_found() {
        let walk = Walk::from(beginning(), None);
        let loose = Loose {
            unsealed: Some(7),
            ..Loose::default()
        };
        assert_eq!(walk.end(&loose), Err(Break::Unsealed(7)));
        let loose = Loose {
            vanished: Some(8),
            ..Loose::default()
        };
        assert_eq!(walk.end(&loose), Err(Break::Vanished(8)));
        let young = Beginning {
            too_young: true,
            ..beginning()
        };
        let ended = Walk::from(young, None).end(&Loose::default());
        assert_eq!(ended, Err(Break::DroppedEarly(0)));
    }

    #[test]
    fn events_older_than_a_year_may_be_gone() {
        let mut old = beginning();
        old.horizon = Timestamp::from_second(1_000).unwrap();
        let leaf = [7; 32];
        let at = |second| Link {
            position: 1,
            seq: 1,
            event_at: Timestamp::from_second(second).unwrap(),
            leaf,
            hash: link(&GENESIS, 1, &leaf),
        };
        assert_eq!(Walk::from(old, None).step(&at(999), None), Ok(()));
        let missing = Break::MissingEvent {
            seq: 1,
            position: 1,
        };
        assert_eq!(Walk::from(old, None).step(&at(1_000), None), Err(missing));
    }
}
