//! The two streams: results on stdout, everything else on stderr.
//!
//! **Invariant:** this is the only module that writes to them, progress bars aside. A reader
//! that went away (`goodwill ls | head`) is no failure.

use std::io::{self, ErrorKind, IsTerminal, Write};

use serde_json::Value as Json;

use super::render::Colour;
use super::tables::Frame;
use crate::diagnostic::{Diagnostic, code};

/// Where a command writes, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Console {
    /// Colour of results.
    pub(super) stdout: Colour,
    /// Colour of findings and notes.
    pub(super) stderr: Colour,
    /// Whether bars can be drawn on stderr.
    pub(super) stderr_is_terminal: bool,
    /// Whether results go to a terminal.
    pub(super) stdout_is_terminal: bool,
    /// Whether notes are left out.
    pub(super) volume: Volume,
}

/// Whether more than results and errors is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Volume {
    /// Notes and warnings too.
    Normal,
    /// Results and errors only.
    Quiet,
}

impl Console {
    /// The console of this process; `colour` is what the person wants, a terminal decides.
    pub(super) fn of_process(colour: Colour, volume: Volume) -> Self {
        let (stdout, stderr) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let on = |terminal| if terminal { colour } else { Colour::None };
        Self {
            stdout: on(stdout),
            stderr: on(stderr),
            stderr_is_terminal: stderr,
            stdout_is_terminal: stdout,
            volume,
        }
    }

    /// How wide tables may be and whether they are coloured.
    pub(super) fn frame(&self) -> Frame {
        let width = if self.stdout_is_terminal { super::tables::terminal_width() } else { None };
        Frame { width, colour: self.stdout }
    }

    /// Writes a result.
    ///
    /// # Errors
    ///
    /// Returns `GW0702` if stdout takes no more.
    pub(super) fn result(&self, text: &str) -> Result<(), Diagnostic> {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        match written {
            Err(cause) if cause.kind() != ErrorKind::BrokenPipe => {
                let message = format!("the result cannot be written to stdout: {cause}");
                Err(Diagnostic::error(code::DISK_FULL, message))
            }
            _ => Ok(()),
        }
    }

    /// Writes a result for programs.
    ///
    /// # Errors
    ///
    /// Returns what [`Console::result`] returns.
    pub(super) fn document(&self, document: &Json) -> Result<(), Diagnostic> {
        self.result(&format!("{document:#}\n"))
    }

    /// Tells an error; there is nothing left to do if stderr takes no more.
    pub(super) fn error(&self, text: &str) {
        drop(io::stderr().lock().write_all(text.as_bytes()));
    }

    /// Tells what is good to know, unless only results are wanted.
    pub(super) fn note(&self, text: &str) {
        if self.volume == Volume::Normal {
            self.error(text);
        }
    }
}
