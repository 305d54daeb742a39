import ArgumentParser
import Foundation

/// `tessera top`.
struct TopCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top", abstract: "Shows a running cluster at work.",
        discussion: """
            Asks the HTTP server of a running 'tessera up' again and again: queue, steps a second, orders, and what each \
            worker does. 'q' or Ctrl-C ends it. Where the output is no terminal, it is printed once. A server with keys \
            tells more to those who show one.

              tessera top cluster.yaml
              tessera top --url http://10.0.0.5:8000 --interval 5
            """)

    /// How often the size of the terminal is looked at, in milliseconds.
    private static let patience: Int32 = 100

    @OptionGroup var options: StatusOptions

    @Option(help: ArgumentHelp("Seconds between looks, 0.2 to 3600.", valueName: "seconds"))
    var interval = 1.0

    func validate() throws {
        guard (0.2...3600).contains(interval) else { throw ValidationError("--interval takes 0.2 to 3600 seconds.") }
    }

    func run() throws {
        let (fetch, url) = try options.fetch()
        let signals = StopSignals()
        guard Screen.isThere else { return try once(fetch, url) }
        let screen = Screen()
        var (status, earlier): (ServerStatus?, ServerStatus?) = (nil, nil)
        var problem: String?
        while signals.count == 0 {
            do {
                let new = try ServerStatus(fetch, url: url)
                (earlier, status, problem) = (status, new, nil)
            } catch {
                (earlier, status, problem) = (nil, nil, "\(error)")
            }
            let end = ContinuousClock.now + .seconds(interval)
            var drawn = (columns: 0, rows: 0)
            while ContinuousClock.now < end, signals.count == 0 {
                let size = screen.size
                if size != drawn {
                    drawn = size
                    screen.draw(lines(status, earlier, problem, size))
                }
                if let key = screen.key(milliseconds: Self.patience), key == UInt8(ascii: "q") { return }
            }
        }
    }

    private func lines(
        _ status: ServerStatus?, _ earlier: ServerStatus?, _ problem: String?, _ size: (columns: Int, rows: Int)
    ) -> [String] {
        let time = Date().formatted(Date.ISO8601FormatStyle().time(includingFractionalSeconds: false))
        var lines = ["tessera top  \(time) UTC  every \(interval) s  q quits", ""]
        if let status {
            lines += StatusText.screen(status, since: earlier, columns: size.columns, rows: size.rows - lines.count)
        } else {
            lines.append(problem ?? "")
        }
        return lines.prefix(size.rows).map { String($0.prefix(size.columns)) }
    }

    private func once(_ fetch: HTTPFetch, _ url: String) throws {
        do {
            let earlier = try ServerStatus(fetch, url: url)
            Thread.sleep(forTimeInterval: min(interval, 5))
            let status = try ServerStatus(fetch, url: url)
            let lines = StatusText.screen(status, since: earlier, columns: 200, rows: 1000)
            Terminal.shared.result(lines.joined(separator: "\n"))
        } catch {
            Terminal.shared.note("tessera: error: \(error): is 'tessera up' running?")
            throw ExitCode(ExitStatus.unavailable.rawValue)
        }
    }
}
