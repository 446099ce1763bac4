//! Merged cells: what stands in the first holds for all that they cover.

use calamine::Dimensions;

use super::cells::Cell;

/// Merged cells are not followed beyond this column, or the row's last one.
const MOST: usize = 256;

/// The merged cells of a sheet, met row by row from above.
pub struct Merged {
    /// From the last row to the first, so that the next is at the end.
    waiting: Vec<Dimensions>,
    /// Those that reach into the rows that come, with what they hold.
    open: Vec<(Dimensions, Cell)>,
}

impl Merged {
    /// The merged cells of a sheet, in any order.
    pub fn new(mut waiting: Vec<Dimensions>) -> Self {
        waiting.sort_by_key(|region| std::cmp::Reverse(region.start));
        Self { waiting, open: Vec::new() }
    }

    /// Fills what merged cells cover in a row, counted from 0; rows come in order. How many columns a cell that begins in
    /// the row's first one covers: all of them, if it is a title between the rows.
    pub fn fill(&mut self, row: u32, cells: &mut Vec<Cell>) -> usize {
        let place = |column: u32| usize::try_from(column).unwrap_or(usize::MAX);
        while let Some(region) = self.waiting.pop_if(|region| region.start.0 <= row) {
            // One whose first row was not there is empty.
            let cell = cells.get(place(region.start.1)).filter(|_| region.start.0 == row).cloned().unwrap_or_default();
            if region.end.0 >= row && cell != Cell::Empty {
                self.open.push((region, cell));
            }
        }
        self.open.retain(|(region, _)| region.end.0 >= row);
        for (region, cell) in &self.open {
            let last = place(region.end.1).min(cells.len().max(MOST) - 1);
            if cells.len() <= last {
                cells.resize(last + 1, Cell::Empty);
            }
            for covered in cells.iter_mut().take(last + 1).skip(place(region.start.1)) {
                *covered = cell.clone();
            }
        }
        let begins = |(region, _): &&(Dimensions, Cell)| region.start == (row, 0);
        self.open.iter().find(begins).map_or(0, |(region, _)| place(region.end.1) + 1)
    }
}
