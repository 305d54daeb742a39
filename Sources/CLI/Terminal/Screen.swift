import Glibc

/// The whole terminal, for a view that is drawn again and again; gives it back as it was.
struct Screen: ~Copyable {
    private var earlier = termios()

    /// True where standard input and output are a terminal.
    static var isThere: Bool { isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 }

    /// Takes the terminal, which must be there.
    init() {
        tcgetattr(STDIN_FILENO, &earlier)
        var raw = earlier
        // Keys come at once and are not shown; Ctrl-C still is a signal.
        raw.c_lflag &= ~tcflag_t(ICANON | ECHO)
        tcsetattr(STDIN_FILENO, TCSANOW, &raw)
        // The other screen, without a cursor.
        Terminal.shared.draw("\u{1B}[?1049h\u{1B}[?25l")
    }

    deinit {
        Terminal.shared.draw("\u{1B}[?25h\u{1B}[?1049l")
        var earlier = earlier
        tcsetattr(STDIN_FILENO, TCSANOW, &earlier)
    }

    /// Columns and rows.
    var size: (columns: Int, rows: Int) {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return (80, 24)
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// Replaces what is shown.
    func draw(_ lines: [String]) {
        // Line by line over what stands there, so that nothing flickers.
        let text = lines.map { "\($0)\u{1B}[K" }.joined(separator: "\r\n")
        Terminal.shared.draw("\u{1B}[H\(text)\u{1B}[J")
    }

    /// Waits for a key; nil: none came, or a signal ended the wait.
    func key(milliseconds: Int32) -> UInt8? {
        var item = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        guard poll(&item, 1, milliseconds) > 0 else { return nil }
        var byte: UInt8 = 0
        // At the end of its input the terminal is gone: as if the reader had quit.
        return read(STDIN_FILENO, &byte, 1) == 1 ? byte : UInt8(ascii: "q")
    }
}
