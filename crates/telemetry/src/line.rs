//! One JSON object a line.
//!
//! Owns [`Line`] and [`Fields`]: what `tracing-subscriber`'s own JSON format writes, with its keys in its
//! order, but for a span's fields, which stand as they were recorded. That format reads a span's fields
//! back and writes them anew with every record and every line; here they are written once. Nothing here
//! decides what is logged.

use std::fmt::{self, Write as _};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// An event with the span around it.
pub(crate) struct Line;

impl<S> FormatEvent<S, Fields> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, Fields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let about = event.metadata();
        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, "\",\"level\":\"{}\",", about.level().as_str())?;
        let mut entries = Entries::to(&mut writer);
        event.record(&mut entries);
        entries.written?;
        writer.write_str("\"target\":")?;
        quoted(&mut writer, format_args!("{}", about.target()))?;
        let named = event.parent().and_then(|id| context.span(id));
        if let Some(span) = named.or_else(|| context.lookup_current()) {
            writer.write_str(",\"span\":{")?;
            if let Some(fields) = span.extensions().get::<FormattedFields<Fields>>() {
                writer.write_str(&fields.fields)?;
            }
            writer.write_str("\"name\":")?;
            quoted(&mut writer, format_args!("{}", span.name()))?;
            writer.write_str("}")?;
        }
        writer.write_str("}\n")
    }
}

/// A span's fields as entries of an object, each with a comma behind it.
pub(crate) struct Fields;

impl<'writer> FormatFields<'writer> for Fields {
    fn format_fields<R: RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        let mut entries = Entries::to(&mut writer);
        fields.record(&mut entries);
        entries.written
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &Record<'_>,
    ) -> fmt::Result {
        let mut again = Again::of(&current.fields);
        fields.record(&mut again);
        let again = again.found;
        let mut entries = Entries::to(&mut current.fields);
        fields.record(&mut entries);
        entries.written?;
        if again {
            current.fields = last_of_each(&current.fields)?;
        }
        Ok(())
    }
}

/// Of entries with the same name, the last.
fn last_of_each(entries: &str) -> Result<String, fmt::Error> {
    let object = format!("{{{}}}", entries.strip_suffix(',').unwrap_or(entries));
    let object: Map<String, Value> = serde_json::from_str(&object).map_err(|_| fmt::Error)?;
    let mut last = String::with_capacity(entries.len());
    for (name, value) in &object {
        quoted(&mut last, format_args!("{name}"))?;
        write!(last, ":{value},")?;
    }
    Ok(last)
}

/// Whether a field is recorded that has an entry already.
struct Again<'a> {
    entries: &'a str,
    found: bool,
}

impl<'a> Again<'a> {
    fn of(entries: &'a str) -> Self {
        let found = false;
        Self { entries, found }
    }
}

impl Visit for Again<'_> {
    // Within a text a quote has a backslash before it, so only a name stands between these.
    fn record_debug(&mut self, field: &Field, _: &dyn fmt::Debug) {
        let name = field.name();
        self.found |= self.entries.match_indices(name).any(|(at, _)| {
            let (before, after) = (&self.entries[..at], &self.entries[at + name.len()..]);
            before.ends_with('"') && after.starts_with("\":")
        });
    }
}

/// Writes what is recorded; the first failure is the last write.
struct Entries<'a> {
    out: &'a mut dyn fmt::Write,
    written: fmt::Result,
}

impl<'a> Entries<'a> {
    fn to(out: &'a mut dyn fmt::Write) -> Self {
        let written = Ok(());
        Self { out, written }
    }

    fn text(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if self.written.is_ok() {
            self.written = text(self.out, field.name(), value);
        }
    }

    fn bare(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if self.written.is_ok() {
            self.written = bare(self.out, field.name(), value);
        }
    }
}

impl Visit for Entries<'_> {
    // Shown so, a number that is finite is one of JSON, with as many digits as tell it from others.
    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.bare(field, format_args!("{value:?}"));
        } else {
            self.bare(field, format_args!("null"));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.bare(field, format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.bare(field, format_args!("{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bare(field, format_args!("{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format_args!("{value:?}"));
    }
}

fn text(out: &mut dyn fmt::Write, name: &str, value: fmt::Arguments<'_>) -> fmt::Result {
    quoted(out, format_args!("{name}"))?;
    out.write_char(':')?;
    quoted(out, value)?;
    out.write_char(',')
}

fn bare(out: &mut dyn fmt::Write, name: &str, value: fmt::Arguments<'_>) -> fmt::Result {
    quoted(out, format_args!("{name}"))?;
    out.write_char(':')?;
    out.write_fmt(value)?;
    out.write_char(',')
}

fn quoted(out: &mut dyn fmt::Write, text: fmt::Arguments<'_>) -> fmt::Result {
    out.write_char('"')?;
    Escaped(out).write_fmt(text)?;
    out.write_char('"')
}

/// Writes the inside of a JSON string.
struct Escaped<'a>(&'a mut dyn fmt::Write);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let special = |byte: u8| matches!(byte, b'"' | b'\\' | 0..0x20);
        let mut rest = text;
        while let Some(at) = rest.bytes().position(special) {
            let (plain, behind) = rest.split_at(at);
            self.0.write_str(plain)?;
            let mut behind = behind.chars();
            match behind.next() {
                Some('\n') => self.0.write_str("\\n")?,
                Some('\r') => self.0.write_str("\\r")?,
                Some('\t') => self.0.write_str("\\t")?,
                Some(mark @ ('"' | '\\')) => write!(self.0, "\\{mark}")?,
                Some(control) => write!(self.0, "\\u{:04x}", u32::from(control))?,
                None => {}
            }
            rest = behind.as_str();
        }
        self.0.write_str(rest)
    }
}
