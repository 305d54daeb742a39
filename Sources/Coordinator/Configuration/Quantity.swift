/// Times as options of commands give them.
public enum DurationText {
    /// Reads "90s" or "10m", from 0 to 24 hours; nil for anything else.
    public static func parse(_ text: String) -> Duration? {
        guard case .success(let count) = Quantity.parse(text, units: Quantity.timeUnits), count <= 86_400_000 else {
            return nil
        }
        return .milliseconds(count)
    }
}

/// Numbers with units, as `cluster.yaml` writes them.
enum Quantity {
    /// Units of memory, with the number of bytes in each.
    static let byteUnits: [(name: String, scale: Int)] = [
        ("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40),
        ("kB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000),
    ]
    /// Units of time, with the number of milliseconds in each.
    static let timeUnits: [(name: String, scale: Int)] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)]

    /// Why a text is not a quantity.
    enum Failure: Error, Hashable {
        /// It does not begin with a number.
        case noNumber
        /// The number is not followed by a unit.
        case noUnit
        /// The result does not fit.
        case tooLarge
        /// The unit is not known.
        case unknownUnit(String)
    }

    /// Parses "4GiB", "1.5 GiB" or "250ms" into the smallest unit, rounded to nearest.
    static func parse(_ text: String, units: [(name: String, scale: Int)]) -> Result<Int, Failure> {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        guard !digits.isEmpty, digits.count <= 20, let number = Double(digits) else { return .failure(.noNumber) }
        let unit = text.dropFirst(digits.count).drop { $0 == " " }
        guard !unit.isEmpty else { return .failure(.noUnit) }
        guard let scale = units.first(where: { $0.name == unit })?.scale else {
            return .failure(.unknownUnit(String(unit)))
        }
        let product = (number * Double(scale)).rounded()
        guard product < 0x1p53 else { return .failure(.tooLarge) }
        return .success(Int(product))
    }

    /// Bytes in the largest binary unit that divides them, or with one decimal: "4GiB", "1.5MiB".
    static func describe(bytes: Int) -> String {
        for unit in byteUnits[1...4].reversed() where bytes >= unit.scale {
            if bytes % unit.scale == 0 { return "\(bytes / unit.scale)\(unit.name)" }
            let tenths = Int((Double(bytes) / Double(unit.scale) * 10).rounded())
            return "\(tenths / 10).\(tenths % 10)\(unit.name)"
        }
        return "\(bytes)B"
    }
}
