/// The name under which a program reads what an earlier program left on the device.
///
/// `key` is what the call's own request left as `key`. `key@2` is what the request in the call's slot 2 left as `key`: so
/// one call of a batch reads what several requests left, one a slot.
public struct ResidentName: Sendable, Hashable {
    /// Name that it was left under.
    public var base: String
    /// Slot of the call; nil: the call's own request.
    public var slot: Int?

    /// Names what a slot's request left.
    public init(_ base: String, slot: Int?) {
        precondition(!base.contains("@"), "a resident's name holds no @")
        self.base = base
        self.slot = slot
    }

    /// Reads a name; one that does not end in `@` and a number names something of the call's own request.
    public init(_ text: String) {
        if let mark = text.utf8.lastIndex(of: UInt8(ascii: "@")),
            let slot = Int(text[text.utf8.index(after: mark)...]), slot >= 0
        {
            (base, self.slot) = (String(text[..<mark]), slot)
        } else {
            (base, slot) = (text, nil)
        }
    }

    /// The name in a program.
    public var text: String { slot.map { "\(base)@\($0)" } ?? base }
}
