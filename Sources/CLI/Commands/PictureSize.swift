import ArgumentParser

/// Width and height in pixels, written `256x256`.
struct PictureSize: Hashable, CustomStringConvertible {
    /// Pixels.
    var width: Int
    /// Pixels.
    var height: Int

    /// Largest side accepted, in pixels; models accept less.
    static let sideMax = 4096

    /// Reads `WxH`; throws `ValidationError` where that is no size.
    static func parse(_ argument: String) throws -> PictureSize {
        guard let size = PictureSize(argument: argument) else {
            throw ValidationError("give width and height in pixels, each 1 to \(sideMax), such as 256x256.")
        }
        return size
    }

    private init?(argument: String) {
        let parts = argument.lowercased().split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
        guard parts.count == 2, let width = parts[0], let height = parts[1] else { return nil }
        guard (1...Self.sideMax).contains(width), (1...Self.sideMax).contains(height) else { return nil }
        self.width = width
        self.height = height
    }

    var description: String { "\(width)x\(height)" }
}
