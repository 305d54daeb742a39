import Tensor

/// Checks of decoded fields; each throws ``ProtocolError``.
enum Check {
    /// An unsigned number that is at most `limit`.
    static func count(_ value: UInt64, _ limit: Int, _ what: @autoclosure () -> String) throws(ProtocolError) -> Int {
        guard value <= UInt64(limit) else {
            throw ProtocolError(.bounds, "\(what()) is \(value), which is above the limit of \(limit)")
        }
        return Int(value)
    }

    /// An unsigned number that is at most `limit`.
    static func count(_ value: UInt32, _ limit: Int, _ what: @autoclosure () -> String) throws(ProtocolError) -> Int {
        try count(UInt64(value), limit, what())
    }

    /// A list of at most `limit` entries.
    static func entries<T>(_ list: [T], _ limit: Int, _ what: @autoclosure () -> String) throws(ProtocolError) -> [T] {
        guard list.count <= limit else {
            throw ProtocolError(.bounds, "there are \(list.count) \(what()), which is above the limit of \(limit)")
        }
        return list
    }

    /// A number that refers to one of `range`.
    static func index(_ value: UInt32, _ range: Range<Int>, _ what: @autoclosure () -> String) throws(ProtocolError)
        -> Int
    {
        guard range.contains(Int(value)) else {
            throw ProtocolError(.bounds, "\(what()) is \(value), which is not in \(range)")
        }
        return Int(value)
    }

    /// A short text.
    static func name(_ value: String, _ what: @autoclosure () -> String) throws(ProtocolError) -> String {
        try text(value, what(), ProtocolLimits.nameBytes)
    }

    /// A text of at most `limit` bytes.
    static func text(
        _ value: String, _ what: @autoclosure () -> String, _ limit: Int = ProtocolLimits.textBytes
    ) throws(ProtocolError) -> String {
        guard value.utf8.count <= limit else {
            throw ProtocolError(
                .bounds, "\(what()) has \(value.utf8.count) bytes, which is above the limit of \(limit)")
        }
        return value
    }

    /// A name that is not empty.
    static func required(_ value: String, _ what: @autoclosure () -> String) throws(ProtocolError) -> String {
        guard !value.isEmpty else { throw ProtocolError(.missing, "\(what()) is empty") }
        return try name(value, what())
    }

    /// A word of a closed set.
    static func word<T: RawRepresentable>(
        _ value: String, _ what: @autoclosure () -> String
    ) throws(ProtocolError) -> T where T.RawValue == String {
        guard let word = T(rawValue: value) else {
            throw ProtocolError(.unknownWord, "\(what()) is \"\(value.prefix(40))\", which this build does not know")
        }
        return word
    }

    /// A number of nanoseconds of at most a day.
    static func duration(_ value: UInt64, _ what: @autoclosure () -> String) throws(ProtocolError) -> Duration {
        .nanoseconds(try count(value, 86_400_000_000_000, what()))
    }

    /// A number that is not NaN and not infinite.
    static func finite(_ value: Double, _ what: @autoclosure () -> String) throws(ProtocolError) -> Double {
        guard value.isFinite else { throw ProtocolError(.bounds, "\(what()) is \(value)") }
        return value
    }

    /// Sizes of a tensor whose element count stays below the limit (a size of 0 is allowed).
    static func dims(_ values: [UInt64], _ what: @autoclosure () -> String) throws(ProtocolError) -> [Int] {
        guard values.count <= ProtocolLimits.rank else {
            throw ProtocolError(
                .bounds, "\(what()) has rank \(values.count), above the limit of \(ProtocolLimits.rank)")
        }
        var product = 1
        var dims: [Int] = []
        for value in values {
            let size = try count(value, ProtocolLimits.elements, "a size of \(what())")
            let (next, overflow) = product.multipliedReportingOverflow(by: max(1, size))
            guard !overflow, next <= ProtocolLimits.elements else {
                throw ProtocolError(.bounds, "\(what()) has too many elements: \(values)")
            }
            product = next
            dims.append(size)
        }
        return dims
    }

    /// Ranges with ordered bounds.
    static func box(_ wire: WireBox, _ what: @autoclosure () -> String) throws(ProtocolError) -> Box {
        guard wire.bounds.count % 2 == 0, wire.bounds.count <= 2 * ProtocolLimits.rank else {
            throw ProtocolError(.bounds, "the box of \(what()) has \(wire.bounds.count) bounds")
        }
        var ranges: [Range<Int>] = []
        for index in stride(from: 0, to: wire.bounds.count, by: 2) {
            let lower = try count(wire.bounds[index], ProtocolLimits.elements, "a bound of \(what())")
            let upper = try count(wire.bounds[index + 1], ProtocolLimits.elements, "a bound of \(what())")
            guard lower <= upper else { throw ProtocolError(.bounds, "the box of \(what()) ends before it starts") }
            ranges.append(lower..<upper)
        }
        _ = try dims(ranges.map { UInt64($0.count) }, what())
        return Box(ranges)
    }

    /// A box that lies inside a tensor of these sizes.
    static func box(
        _ wire: WireBox, inside dims: [Int], _ what: @autoclosure () -> String
    ) throws(ProtocolError) -> Box {
        let box = try box(wire, what())
        guard box.ranges.count == dims.count, zip(box.ranges, dims).allSatisfy({ $0.upperBound <= $1 }) else {
            throw ProtocolError(.bounds, "the box \(box.ranges) of \(what()) does not lie inside \(dims)")
        }
        return box
    }

    /// Entries by name, each name once.
    static func byName<T>(
        _ entries: [(name: String, value: T)], _ what: @autoclosure () -> String
    ) throws(ProtocolError) -> [String: T] {
        var result: [String: T] = [:]
        for entry in entries where result.updateValue(entry.value, forKey: entry.name) != nil {
            throw ProtocolError(.duplicate, "\(what()) names \(entry.name) twice")
        }
        return result
    }
}

extension WireBox {
    /// Encodes a box.
    init(_ box: Box) {
        self.init()
        bounds = box.ranges.flatMap { [UInt64($0.lowerBound), UInt64($0.upperBound)] }
    }
}

extension Duration {
    /// Whole nanoseconds, at least 0.
    var wireNanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        return seconds < 0 ? 0 : UInt64(seconds) &* 1_000_000_000 &+ UInt64(max(0, attoseconds) / 1_000_000_000)
    }
}
