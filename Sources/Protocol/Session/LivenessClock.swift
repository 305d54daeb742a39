/// Judges whether the other end is alive, from what was heard and when this end looked.
///
/// A tick that comes late means that this end did not listen: its own pause is not counted as the other's silence.
package struct LivenessClock: Sendable, Hashable {
    /// Longest silence of a living peer.
    package var limit: Duration
    private var heard: Duration
    private var looked: Duration

    /// Starts now.
    package init(limit: Duration, now: Duration) {
        self.limit = limit
        heard = now
        looked = now
    }

    /// Something was heard.
    package mutating func hear(_ now: Duration) { heard = max(heard, now) }

    /// Looks at the clock; the length of the silence where it is too long.
    package mutating func look(_ now: Duration) -> Duration? {
        let pause = now - looked
        looked = max(looked, now)
        if pause > limit / 2 { heard = min(now, heard + pause) }
        let silence = now - heard
        return silence > limit ? silence : nil
    }
}
