//! One statement, and what may be told from its words.
//!
//! Owns [`Statement`] and [`split`]. What it cannot tell, PostgreSQL will: this is no parser.

use super::lexer::{Kind, Token, Unclosed, tokens};

/// Characters of a statement that a report shows.
const SHOWN: usize = 300;

/// One statement without its semicolon and the comments around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    sql: String,
    /// Keywords and names, in upper case; names in quotes as they are.
    words: Vec<String>,
}

/// Splits `sql` into statements.
pub(super) fn split(sql: &str) -> Result<Vec<Statement>, Unclosed> {
    let mut statements = Vec::new();
    let mut current: Vec<Token<'_>> = Vec::new();
    for token in tokens(sql)? {
        if token.kind == Kind::Semicolon {
            statements.extend(statement(sql, &current));
            current.clear();
        } else {
            current.push(token);
        }
    }
    statements.extend(statement(sql, &current));
    Ok(statements)
}

fn statement(sql: &str, tokens: &[Token<'_>]) -> Option<Statement> {
    let (first, last) = (tokens.first()?, tokens.last()?);
    let words = tokens.iter().filter_map(|token| match token.kind {
        Kind::Word => Some(token.text.to_uppercase()),
        Kind::Quoted => Some(token.text.to_owned()),
        _ => None,
    });
    Some(Statement {
        sql: sql[first.start..last.start + last.text.len()].to_owned(),
        words: words.collect(),
    })
}

impl Statement {
    /// The text that is run.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// The first characters, for people.
    #[must_use]
    pub fn shown(&self) -> String {
        self.sql.chars().take(SHOWN).collect()
    }

    fn starts_with(&self, words: &[&str]) -> bool {
        self.words.len() >= words.len() && self.words.iter().zip(words).all(|(a, b)| a == b)
    }

    fn has(&self, word: &str) -> bool {
        self.words.iter().any(|have| have == word)
    }

    /// Whether it would end the transaction around it.
    pub(super) fn controls_transaction(&self) -> bool {
        const FIRST: [&str; 8] = [
            "BEGIN",
            "START",
            "COMMIT",
            "END",
            "ROLLBACK",
            "ABORT",
            "SAVEPOINT",
            "RELEASE",
        ];
        let first = self.words.first().map(String::as_str);
        first.is_some_and(|word| FIRST.contains(&word))
            || self.starts_with(&["PREPARE", "TRANSACTION"])
    }

    /// Whether PostgreSQL refuses it inside of a transaction.
    pub(super) fn is_concurrent(&self) -> bool {
        let index = self.has("INDEX") || self.starts_with(&["REINDEX"]);
        index && self.has("CONCURRENTLY")
    }

    /// Whether it takes data away.
    pub(super) fn is_destructive(&self) -> bool {
        const DROPPED: [&str; 6] = [
            "TABLE",
            "SCHEMA",
            "DATABASE",
            "SEQUENCE",
            "OWNED",
            "MATERIALIZED",
        ];
        match self.words.first().map(String::as_str) {
            Some("TRUNCATE" | "DELETE") => true,
            Some("DROP") => self
                .words
                .get(1)
                .is_some_and(|word| DROPPED.contains(&&**word)),
            Some("ALTER") => self.starts_with(&["ALTER", "TABLE"]) && self.drops_a_column(),
            _ => false,
        }
    }

    /// `DROP` in an ALTER TABLE is about a column unless one of these words follows.
    fn drops_a_column(&self) -> bool {
        const HARMLESS: [&str; 5] = ["CONSTRAINT", "DEFAULT", "NOT", "EXPRESSION", "IDENTITY"];
        self.words
            .windows(2)
            .any(|pair| pair[0] == "DROP" && !HARMLESS.contains(&&*pair[1]))
    }

    /// The name of the index, when it creates one concurrently.
    pub(super) fn concurrent_index(&self) -> Option<String> {
        let unique = usize::from(self.words.get(1).is_some_and(|word| word == "UNIQUE"));
        let mut words = self.words.iter().skip(1 + unique);
        if !self.starts_with(&["CREATE"])
            || words.next()? != "INDEX"
            || words.next()? != "CONCURRENTLY"
        {
            return None;
        }
        let name = words.next().filter(|name| *name != "ON" && *name != "IF")?;
        Some(
            match name
                .strip_prefix('"')
                .and_then(|name| name.strip_suffix('"'))
            {
                Some(quoted) => quoted.replace("\"\"", "\""),
                None => name.to_lowercase(),
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(sql: &str) -> Statement {
        let mut statements = split(sql).unwrap();
        assert_eq!(statements.len(), 1, "{sql}");
        statements.remove(0)
    }

    #[test]
    fn r19_2_semicolons_in_quotes_and_comments_end_nothing() {
        let sql = "
            -- one; two
            SELECT ';', E'\\';', \"a;b\"; /* ; /* ; */ ; */
            DO $x$ BEGIN PERFORM $$;$$; END $x$;;
            SELECT a$b$c, 'it''s;' -- last
        ";
        let statements: Vec<_> = split(sql).unwrap();
        let texts: Vec<_> = statements.iter().map(Statement::sql).collect();
        assert_eq!(
            texts,
            [
                "SELECT ';', E'\\';', \"a;b\"",
                "DO $x$ BEGIN PERFORM $$;$$; END $x$",
                "SELECT a$b$c, 'it''s;'",
            ]
        );
    }

    #[test]
    fn what_is_never_closed_is_an_error() {
        for (sql, at) in [
            ("SELECT 'x", 7),
            ("/* /* */", 0),
            ("SELECT $a$ $b$", 7),
            ("\"", 0),
        ] {
            assert_eq!(split(sql), Err(Unclosed(at)), "{sql}");
        }
    }

    #[test]
    fn r19_4_what_takes_data_away_is_known_without_a_mark() {
        for sql in [
            "DROP TABLE a",
            "drop schema s cascade",
            "ALTER TABLE a DROP COLUMN b",
            "ALTER TABLE a DROP b",
            "alter table a add c int, drop if exists b",
            "TRUNCATE a",
            "DELETE FROM a WHERE false",
        ] {
            assert!(one(sql).is_destructive(), "{sql}");
        }
        for sql in [
            "ALTER TABLE a DROP CONSTRAINT b",
            "ALTER TABLE a ALTER b DROP NOT NULL",
            "ALTER TABLE a ALTER b DROP DEFAULT",
            "DROP INDEX a",
            "CREATE TABLE drop_table (a int)",
            "CREATE TABLE a (b int REFERENCES c ON DELETE CASCADE)",
            "COMMENT ON TABLE a IS 'DROP TABLE b'",
        ] {
            assert!(!one(sql).is_destructive(), "{sql}");
        }
    }

    #[test]
    fn the_index_of_a_concurrent_statement_is_found() {
        let name = |sql: &str| one(sql).concurrent_index();
        assert_eq!(
            name("CREATE INDEX CONCURRENTLY A_b ON t (c)").as_deref(),
            Some("a_b")
        );
        let quoted = name("create unique index concurrently \"X\"\"y\" on t (c)");
        assert_eq!(quoted.as_deref(), Some("X\"y"));
        assert_eq!(name("CREATE INDEX a ON t (c)"), None);
        assert_eq!(name("CREATE INDEX CONCURRENTLY ON t (c)"), None);
        assert!(one("REINDEX INDEX CONCURRENTLY a").is_concurrent());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn p17_splitting_loses_no_statement(parts in proptest::collection::vec("[a-z]{1,8}( '[^']{0,6}'| \\$\\$[a-z;]{0,6}\\$\\$| \"[^\"]{1,6}\")?", 0..8)) {
            let sql = parts.join(" ;\n-- x;\n");
            let statements = split(&sql).unwrap();
            let texts: Vec<_> = statements.iter().map(Statement::sql).collect();
            prop_assert_eq!(texts, parts.iter().map(String::as_str).collect::<Vec<_>>());
        }

        #[test]
        fn p03_no_text_makes_it_panic(sql in ".{0,200}") {
            let _ = split(&sql);
        }
    }
}
