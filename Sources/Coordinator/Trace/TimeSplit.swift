import Program
import Sharding

/// Where a worker's time went.
///
/// The parts of a call add up to it: kernels, waiting for peers that had not sent yet, everything else about exchanges
/// (packing, sending, receiving, combining), and what is between instructions (inputs, outputs, bookkeeping).
public struct TimeSplit: Sendable, Hashable, Codable {
    /// Seconds in calls.
    public var calls = 0.0
    /// Seconds in kernels.
    public var compute = 0.0
    /// Seconds in which an exchange could not go on because a peer had not begun to send.
    public var wait = 0.0
    /// Seconds of the rest of exchanges.
    public var transfer = 0.0
    /// Seconds of calls that belong to no instruction.
    public var other: Double { max(0, calls - compute - wait - transfer) }
    /// Payload bytes sent.
    public var sentBytes = 0

    /// No time at all.
    public init() {}

    /// Sums of two splits.
    public static func + (a: TimeSplit, b: TimeSplit) -> TimeSplit {
        var sum = a
        sum.calls += b.calls
        sum.compute += b.compute
        sum.wait += b.wait
        sum.transfer += b.transfer
        sum.sentBytes += b.sentBytes
        return sum
    }
}

extension ClusterTrace {
    /// One exchange of one call on one worker: from the first byte packed to the destination complete.
    public struct ExchangeSpan: Sendable, Hashable {
        /// Number of the call.
        public var call: UInt64
        /// Index in the local program's exchanges.
        public var exchange: Int
        /// When its start began.
        public var begin: UInt64
        /// When its start had sent everything.
        public var sent: UInt64
        /// When its finish began; other instructions may run between ``sent`` and this.
        public var finish: UInt64
        /// When it was done.
        public var end: UInt64
        /// Nanoseconds of the finish in which a peer had not begun to send.
        public var wait: UInt64 = 0
    }

    /// The exchanges of a worker that came to their end, in that order.
    public func exchanges(rank: Int) -> [ExchangeSpan] {
        let starts = events.indices.map { exchangeStarts(rank: $0) }
        let known = Dictionary(calls.map { ($0.number, $0) }, uniquingKeysWith: { first, _ in first })
        return events[rank].compactMap { event in
            guard let call = known[event.call], let local = local(of: call, rank: rank),
                case .exchangeFinish(let index)? = instruction(of: event, in: local)
            else { return nil }
            let key = ExchangeKey(call: event.call, exchange: index)
            let start = starts[rank][key] ?? event
            let peers = TracedExchange(index, in: local).senders
            let ready = peers.compactMap { starts.indices.contains($0) ? starts[$0][key]?.begin : nil }.max() ?? 0
            let wait = min(max(ready, event.begin), event.end) - event.begin
            return ExchangeSpan(
                call: event.call, exchange: index, begin: start.begin, sent: min(start.end, event.begin),
                finish: event.begin, end: event.end, wait: wait)
        }
    }

    private struct ExchangeKey: Hashable {
        var call: UInt64
        var exchange: Int
    }

    private func exchangeStarts(rank: Int) -> [ExchangeKey: TraceEvent] {
        let known = Dictionary(calls.map { ($0.number, $0) }, uniquingKeysWith: { first, _ in first })
        var starts: [ExchangeKey: TraceEvent] = [:]
        for event in events[rank] {
            guard let call = known[event.call],
                case .exchangeStart(let index)? = instruction(of: event, in: local(of: call, rank: rank))
            else { continue }
            starts[ExchangeKey(call: event.call, exchange: index)] = event
        }
        return starts
    }

    /// Where the workers' time went, by rank: over all calls, or those of one program.
    ///
    /// - Parameter isIncluded: which calls count.
    public func timeSplits(_ isIncluded: (Call) -> Bool = { _ in true }) -> [TimeSplit] {
        let included = Dictionary(
            calls.filter(isIncluded).map { ($0.number, $0) }, uniquingKeysWith: { first, _ in first })
        return events.indices.map { rank in
            var split = TimeSplit()
            for event in events[rank] {
                guard let call = included[event.call] else { continue }
                let seconds = Double(event.nanoseconds) * 1e-9
                switch instruction(of: event, in: local(of: call, rank: rank)) {
                case nil where event.instruction == nil:
                    split.calls += seconds
                    split.sentBytes += local(of: call, rank: rank).map { CostModel.sentByteCount(of: $0) } ?? 0
                case nil, .compute: split.compute += seconds
                case .exchangeStart, .exchangeFinish: split.transfer += seconds
                }
            }
            for span in exchanges(rank: rank) where included[span.call] != nil {
                split.wait += Double(span.wait) * 1e-9
                split.transfer -= Double(span.wait) * 1e-9
            }
            return split
        }
    }
}
