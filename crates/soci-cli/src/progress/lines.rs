//! The lines of a drawing, which fit into the terminal.

use console::measure_text_width;

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) rows: usize,
    pub(super) columns: usize,
}

/// What became of an image.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    InWork,
    Done,
}

/// An image at one moment.
#[derive(Debug)]
pub(super) struct ImageView<'a> {
    pub(super) name: &'a str,
    /// What the parts are called, such as `layers`.
    pub(super) unit: &'a str,
    pub(super) outcome: Outcome,
    pub(super) done_count: u64,
    pub(super) total_count: u64,
    pub(super) done_bytes: u64,
    pub(super) total_bytes: u64,
    /// Bytes per second.
    pub(super) rate: f64,
    /// The parts in work.
    pub(super) parts: Vec<PartView<'a>>,
}

/// A layer or blob in work at one moment.
#[derive(Debug)]
pub(super) struct PartView<'a> {
    pub(super) label: &'a str,
    /// Bytes.
    pub(super) done: u64,
    /// Bytes.
    pub(super) total: u64,
}

/// The columns that a name is not shortened below, as long as another field can be left out.
const MIN_NAME: usize = 16;

/// The width of a bar, with its brackets.
const BAR: usize = 22;

/// Returns the lines of a drawing: one for each image, and one for each part of those in work. What
/// does not fit is left out: images that are done first, from the oldest on, then parts.
pub(super) fn format(images: &[ImageView<'_>], size: Size) -> Vec<String> {
    // One line stays empty, and a line that is full would wrap on some terminals.
    let (rows, columns) = (size.rows.saturating_sub(2), size.columns.saturating_sub(1));
    let in_work = images
        .iter()
        .filter(|image| image.outcome == Outcome::InWork);
    let mut current = Vec::new();
    for image in in_work {
        current.push(format_image(image, columns));
        current.extend(image.parts.iter().map(|part| format_part(part, columns)));
    }
    current.truncate(rows);
    let room = rows - current.len();
    let done = images
        .iter()
        .filter(|image| image.outcome != Outcome::InWork);
    let done: Vec<&ImageView<'_>> = done.collect();
    let shown = &done[done.len().saturating_sub(room)..];
    let mut lines: Vec<String> = shown
        .iter()
        .map(|image| format_image(image, columns))
        .collect();
    lines.append(&mut current);
    lines
}

/// Formats an image, such as `app:v1  3/6 layers  120/226 MiB  35 MiB/s  3 s left`. If the line is
/// too long, its last fields are left out and the start of the name is cut off.
fn format_image(image: &ImageView<'_>, columns: usize) -> String {
    let mut fields = image_fields(image);
    loop {
        let needed: usize = fields.iter().map(|field| field.chars().count() + 2).sum();
        let room = columns.saturating_sub(needed);
        if measure_text_width(image.name) <= room || room >= MIN_NAME || fields.len() <= 1 {
            let mut line = keep_end(image.name, room);
            for field in fields {
                line = format!("{line}  {field}");
            }
            return keep_start(&line, columns);
        }
        fields.pop();
    }
}

fn image_fields(image: &ImageView<'_>) -> Vec<String> {
    let ImageView {
        unit,
        done_count,
        total_count,
        done_bytes,
        total_bytes,
        ..
    } = *image;
    let mut fields = vec![format!("{done_count}/{total_count} {unit}")];
    if total_bytes > 0 {
        fields.push(format_bytes(done_bytes, total_bytes));
    }
    match image.outcome {
        Outcome::Done => fields.push("done".to_owned()),
        Outcome::InWork if image.rate >= 1.0 => {
            fields.push(format_rate(image.rate));
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let left = total_bytes.saturating_sub(done_bytes) as f64 / image.rate;
            fields.push(format_seconds(left));
        }
        Outcome::InWork => {}
    }
    fields
}

/// Formats a part, such as `  0f3a91cc57d2  [=====>    ]  12/66 MiB`.
fn format_part(part: &PartView<'_>, columns: usize) -> String {
    let bytes = format_bytes(part.done, part.total);
    let line = format!(
        "  {}  {}  {bytes}",
        part.label,
        format_bar(part.done, part.total)
    );
    if line.chars().count() <= columns {
        return line;
    }
    keep_start(&format!("  {}  {bytes}", part.label), columns)
}

fn format_bar(done: u64, total: u64) -> String {
    let inner = BAR - 2;
    let filled = usize::try_from(done * inner as u64 / total.max(1))
        .unwrap_or(inner)
        .min(inner);
    let head = if filled > 0 && filled < inner {
        ">"
    } else {
        ""
    };
    let body = "=".repeat(filled - head.len());
    format!("[{body}{head}{:1$}]", "", inner - filled)
}

/// Formats two numbers of bytes in the unit of the second, such as `120/226 MiB`.
fn format_bytes(done: u64, total: u64) -> String {
    let (unit, name) = unit_of(total);
    if unit == 1 {
        return format!("{done}/{total} {name}");
    }
    let digits = usize::from(total / unit < 10);
    let [done, total] = [done, total].map(|bytes| scale(bytes, unit));
    format!("{done:.digits$}/{total:.digits$} {name}")
}

/// Formats a rate in bytes per second, such as `35 MiB/s`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is shown with two digits, and is not negative"
)]
fn format_rate(rate: f64) -> String {
    let (unit, name) = unit_of(rate as u64);
    let rate = scale(rate as u64, unit);
    let digits = usize::from(unit > 1 && rate < 10.0);
    format!("{rate:.digits$} {name}/s")
}

/// Formats the time that is left, such as `3 s left` or `4 min left`.
fn format_seconds(seconds: f64) -> String {
    match seconds {
        ..100.0 => format!("{seconds:.0} s left"),
        ..6000.0 => format!("{:.0} min left", seconds / 60.0),
        _ => format!("{:.0} h left", seconds / 3600.0),
    }
}

/// Returns the largest unit that is not larger than a number of bytes.
const fn unit_of(bytes: u64) -> (u64, &'static str) {
    match bytes {
        0x4000_0000.. => (1 << 30, "GiB"),
        0x10_0000.. => (1 << 20, "MiB"),
        0x400.. => (1 << 10, "KiB"),
        _ => (1, "B"),
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with at most one decimal")]
fn scale(bytes: u64, unit: u64) -> f64 {
    bytes as f64 / unit as f64
}

/// Returns the end of a text that is `columns` wide, after an ellipsis if its start is cut off.
fn keep_end(text: &str, columns: usize) -> String {
    if measure_text_width(text) <= columns {
        return text.to_owned();
    }
    let mut kept: Vec<char> = Vec::new();
    let mut width = 1;
    for character in text.chars().rev() {
        width += character_width(character);
        if width > columns {
            break;
        }
        kept.push(character);
    }
    kept.push('…');
    kept.iter().rev().collect()
}

/// Returns the start of a text that is at most `columns` wide.
fn keep_start(text: &str, columns: usize) -> String {
    let mut width = 0;
    let fits = |character: &char| {
        width += character_width(*character);
        width <= columns
    };
    text.chars().take_while(fits).collect()
}

fn character_width(character: char) -> usize {
    measure_text_width(character.encode_utf8(&mut [0; 4]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/app:v1";

    fn image(name: &str, outcome: Outcome) -> ImageView<'_> {
        ImageView {
            name,
            unit: "layers",
            outcome,
            done_count: 3,
            total_count: 6,
            done_bytes: 120 << 20,
            total_bytes: 226 << 20,
            rate: 35_500_000.0,
            parts: vec![PartView {
                label: "0f3a91cc57d2",
                done: 10 << 20,
                total: 20 << 20,
            }],
        }
    }

    fn size(rows: usize, columns: usize) -> Size {
        Size { rows, columns }
    }

    #[test]
    fn shows_counts_bytes_rate_and_time() {
        let lines = format(&[image("app:v1", Outcome::InWork)], size(24, 80));
        assert_eq!(
            lines,
            [
                "app:v1  3/6 layers  120/226 MiB  34 MiB/s  3 s left",
                "  0f3a91cc57d2  [=========>          ]  10/20 MiB",
            ]
        );
    }

    #[test]
    fn no_line_is_as_wide_as_the_terminal() {
        for columns in 1..200 {
            for name in ["app:v1", NAME, "oci:画像/図:版"] {
                let images = [image(name, Outcome::Done), image(name, Outcome::InWork)];
                for line in format(&images, size(24, columns)) {
                    assert!(
                        measure_text_width(&line) < columns.max(1),
                        "{columns}: {line}"
                    );
                }
            }
        }
        let [line, _] = &format(&[image(NAME, Outcome::InWork)], size(24, 60))[..] else {
            panic!("two lines");
        };
        assert_eq!(
            line,
            "…azonaws.com/team/app:v1  3/6 layers  120/226 MiB  34 MiB/s"
        );
    }

    #[test]
    fn never_has_more_lines_than_the_terminal() {
        let mut images: Vec<_> = (0..30).map(|_| image("done:v1", Outcome::Done)).collect();
        images.push(image("app:v1", Outcome::InWork));
        for rows in 0..40 {
            let lines = format(&images, size(rows, 80));
            assert!(lines.len() <= rows.saturating_sub(2), "{rows}");
            assert!(
                rows < 3 || lines.iter().any(|line| line.starts_with("app:v1 ")),
                "{rows}"
            );
        }
        assert_eq!(format(&images, size(10, 80)).len(), 8);
    }

    #[test]
    fn formats_bytes_in_the_unit_of_the_total() {
        assert_eq!(format_bytes(512, 900), "512/900 B");
        assert_eq!(format_bytes(512, 3 << 10), "0.5/3.0 KiB");
        assert_eq!(format_bytes(0, 0), "0/0 B");
        assert_eq!(format_bar(0, 0).len(), BAR);
        assert_eq!(format_bar(7, 7).len(), BAR);
    }
}
