import ArgumentParser

/// Width and height in pixels, written `256x256`.
struct PictureSize: ExpressibleByArgument, Hashable, CustomStringConvertible {
    /// Pixels.
    var width: Int
    /// Pixels.
    var height: Int

    /// Largest side accepted, in pixels; models accept less.
    static let sideMax = 4096

    init?(argument: String) {
        let parts = argument.lowercased().split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
        guard parts.count == 2, let width = parts[0], let height = parts[1] else { return nil }
        guard (1...Self.sideMax).contains(width), (1...Self.sideMax).contains(height) else { return nil }
        self.width = width
        self.height = height
    }

    var description: String { "\(width)x\(height)" }
}
