import Foundation
import Glibc
import Synchronization

/// The one place that writes to the user: results to standard output, everything else to standard error.
///
/// On a terminal, progress is a block of lines redrawn in place below which messages scroll; elsewhere it is plain lines.
final class Terminal: Sendable {
    /// The process's terminal.
    static let shared = Terminal()

    private struct State {
        /// Lines of the progress block that stand on the screen.
        var block: [String] = []
        var format = LogFormat.text
    }

    private let state = Mutex(State())
    private let isTerminal: Bool

    /// True where standard error is a terminal for people.
    var isInteractive: Bool { isTerminal && format == .text }

    /// Form of the lines on standard error.
    var format: LogFormat {
        get { state.withLock { $0.format } }
        set { state.withLock { $0.format = newValue } }
    }

    private init() {
        isTerminal = isatty(STDERR_FILENO) == 1 && getenv("TERM").map { strcmp($0, "dumb") != 0 } ?? false
    }

    /// Columns of the terminal; 80 where it does not say.
    var width: Int {
        var size = winsize()
        return ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 20 ? Int(size.ws_col) : 80
    }

    /// What was asked for, on standard output.
    func result(_ text: String) { Self.write(text + "\n", to: STDOUT_FILENO) }

    /// Text of a view of the whole terminal, on standard output.
    func draw(_ text: String) { Self.write(text, to: STDOUT_FILENO) }

    /// A message to the person in front, on standard error.
    func note(_ text: String) {
        if format == .json {
            return line(JSONLine.text(time: Date(), level: "notice", logger: "tessera", message: text))
        }
        line(text)
    }

    /// A line on standard error as it is.
    func line(_ text: String) {
        state.withLock { state in
            let erase = Self.erasing(state.block)
            Self.write(erase + text + "\n" + Self.drawn(state.block), to: STDERR_FILENO)
        }
    }

    /// Replaces the progress block; does nothing where standard error is no terminal.
    func show(_ block: [String]) {
        guard isInteractive else { return }
        let columns = width - 1
        state.withLock { state in
            let erase = Self.erasing(state.block)
            state.block = block.map { String($0.prefix(columns)) }
            Self.write(erase + Self.drawn(state.block), to: STDERR_FILENO)
        }
    }

    private static func erasing(_ block: [String]) -> String {
        block.isEmpty ? "" : "\u{1B}[\(block.count)F\u{1B}[J"
    }

    private static func drawn(_ block: [String]) -> String { block.map { $0 + "\n" }.joined() }

    /// Writes everything, or gives up on a closed or failing descriptor: there is nobody left to tell.
    private static func write(_ text: String, to descriptor: Int32) {
        let bytes = Array(text.utf8)
        var start = 0
        while start < bytes.count {
            let count = bytes[start...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno != EINTR { return }
            start += max(0, count)
        }
    }
}
