//! One picture: how much of what is allowed each row uses up.

use std::fmt::Write as _;

use crate::table::Row;

const LABELS: f64 = 430.0;
const WIDTH: f64 = 860.0;
const LINE: f64 = 18.0;
const TOP: f64 = 40.0;
/// The left and right end of the scale: a hundredth of what is allowed and ten times too much.
const ENDS: (f64, f64) = (0.01, 10.0);

/// The picture as SVG.
pub fn svg(rows: &[&Row]) -> String {
    let used: Vec<(String, f64)> = rows
        .iter()
        .filter_map(|row| {
            let own = row.bound.map(|bound| bound.used(row.ours));
            let ratio = row.against.as_ref().and_then(|against| Some(against.bound?.used(against.ratio)));
            let worst = own.into_iter().chain(ratio).reduce(f64::max)?;
            Some((format!("{} {}", row.bar, row.what), worst))
        })
        .collect();
    let height = TOP + LINE * used.len() as f64 + 10.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"10\" y=\"16\" font-size=\"13\">Share of what is allowed that is used up; left of the line the bar is \
         reached</text>\n"
    );
    for mark in [0.01, 0.1, 1.0, 10.0] {
        let (x, bottom) = (place(mark), height - 8.0);
        let colour = if mark == 1.0 { "#444" } else { "#ddd" };
        line(&mut svg, &format!("<path d=\"M{x:.0} {TOP}V{bottom:.0}\" stroke=\"{colour}\"/>"));
        line(&mut svg, &format!("<text x=\"{x:.0}\" y=\"34\" text-anchor=\"middle\" fill=\"#666\">{mark}</text>"));
    }
    for (n, (what, used)) in used.iter().enumerate() {
        let y = TOP + LINE * n as f64;
        let (x, width) = (place(ENDS.0), (place(*used) - place(ENDS.0)).max(1.0));
        let colour = if *used <= 1.0 { "#3a7d44" } else { "#c0492f" };
        let text = y + 13.0;
        let what = what.replace('&', "&amp;").replace('<', "&lt;");
        line(&mut svg, &format!("<text x=\"{:.0}\" y=\"{text:.0}\" text-anchor=\"end\">{what}</text>", LABELS - 8.0));
        let bar = y + 3.0;
        line(
            &mut svg,
            &format!("<rect x=\"{x:.0}\" y=\"{bar:.0}\" width=\"{width:.0}\" height=\"12\" fill=\"{colour}\"/>"),
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn line(svg: &mut String, text: &str) {
    // Writing into a text cannot fail.
    let _ = writeln!(svg, "{text}");
}

fn place(used: f64) -> f64 {
    let (low, high) = (ENDS.0.log10(), ENDS.1.log10());
    let share = (used.clamp(ENDS.0, ENDS.1).log10() - low) / (high - low);
    LABELS + share * (WIDTH - LABELS - 20.0)
}
