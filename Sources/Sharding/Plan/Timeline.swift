public import Program
import Tensor

/// What every device does when in one call of a program, by the cost model.
///
/// Devices run their instructions in order. A message leaves when its sender gets to it and the sender's way out is free,
/// and arrives one latency after its last byte; what arrives at one device from several shares its way in. Both directions
/// of a device are busy independently.
public struct Timeline: Sendable, Hashable {
    /// What an entry is about.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// Fused attention.
        case attention
        /// Adding up what arrived.
        case combine
        /// Point-wise and reducing kernels, movement in memory.
        case elements
        /// Matrix products and convolutions.
        case matrix
        /// Handing over what is sent.
        case send
        /// Waiting for a peer.
        case wait
    }

    /// A stretch of time of one device.
    public struct Entry: Sendable, Hashable {
        /// Index in the local program's instructions.
        public var instruction: Int
        /// Seconds since the call began.
        public var start: Double
        /// Likewise.
        public var end: Double
        /// What it does.
        public var kind: Kind
    }

    /// By device, in the order of time; without gaps, as a device is always in some instruction.
    public var devices: [[Entry]]

    /// Seconds by device that it would have waited more, had it waited for every exchange as soon as it had sent its part.
    public var hiddenSeconds: [Double]

    /// Seconds until the last device has finished.
    public var duration: Double { devices.reduce(0) { max($0, $1.last?.end ?? 0) } }

    /// Seconds that a device spends on a kind of work.
    public func seconds(_ kind: Kind, device: Int) -> Double {
        devices[device].reduce(0) { $1.kind == kind ? $0 + $1.end - $1.start : $0 }
    }

    /// Predicts one call of a program.
    ///
    /// - Parameters:
    ///   - locals: by device, all of one compiled program.
    ///   - profile: the machines, numbered as the devices.
    public static func predict(locals: [LocalProgram], profile: MachineProfile) -> Timeline {
        precondition(locals.count == profile.workers.count, "a timeline has a machine for every device")
        var simulation = Simulation(locals: locals, profile: profile)
        simulation.run()
        return Timeline(devices: simulation.entries, hiddenSeconds: simulation.hidden)
    }
}

/// The devices' clocks and ways in and out.
private struct Simulation {
    let locals: [LocalProgram]
    let profile: MachineProfile
    private(set) var entries: [[Timeline.Entry]]
    private(set) var hidden: [Double]
    /// By device and exchange: when it had sent its part.
    private var sent: [[Double]]
    private var clocks: [Double]
    private var next: [Int]
    private var outFree: [Double]
    private var inFree: [Double]
    /// By device and exchange: messages still to come, and when the last of the others arrives.
    private var awaited: [[Int]]
    private var arrival: [[Double]]

    init(locals: [LocalProgram], profile: MachineProfile) {
        self.locals = locals
        self.profile = profile
        let zeros = [Double](repeating: 0, count: locals.count)
        entries = locals.map { _ in [] }
        hidden = zeros
        sent = locals.map { $0.exchanges.map { _ in 0 } }
        clocks = zeros
        outFree = zeros
        inFree = zeros
        next = locals.map { _ in 0 }
        awaited = locals.map { local in local.exchanges.indices.map { local.messages(receivedBy: $0).count } }
        arrival = locals.map { $0.exchanges.map { _ in 0 } }
    }

    /// Always takes the step of the device that is furthest behind and need not wait for a message not yet sent.
    mutating func run() {
        while true {
            var chosen: Int?
            for device in locals.indices where canStep(device) {
                if chosen.map({ clocks[device] < clocks[$0] }) ?? true { chosen = device }
            }
            guard let chosen else { return }
            step(chosen)
        }
    }

    private func canStep(_ device: Int) -> Bool {
        guard next[device] < locals[device].instructions.count else { return false }
        if case .exchangeFinish(let index) = locals[device].instructions[next[device]] {
            return awaited[device][index] <= 0
        }
        return true
    }

    private mutating func step(_ device: Int) {
        let local = locals[device]
        let worker = profile.workers[device]
        let index = next[device]
        next[device] += 1
        switch local.instructions[index] {
        case .compute(let compute):
            let kind: Timeline.Kind =
                switch CostModel.work(of: compute, in: local) {
                case .matrix: .matrix
                case .attention: .attention
                case .elements, .movement: .elements
                }
            spend(device, index, kind, CostModel.seconds(of: compute, in: local, on: worker))
        case .exchangeStart(let exchange):
            start(device, index, exchange)
        case .exchangeFinish(let exchange):
            let waiting = arrival[device][exchange] - clocks[device]
            hidden[device] += max(0, arrival[device][exchange] - sent[device][exchange]) - max(0, waiting)
            if waiting > 0 { spend(device, index, .wait, waiting) }
            spend(
                device, index, .combine, worker.instructionSeconds + combining(exchange, local) / worker.memoryBandwidth
            )
        }
    }

    private mutating func start(_ device: Int, _ instruction: Int, _ index: Int) {
        let local = locals[device]
        let messages = local.messages(sentBy: index)
        if !messages.isEmpty {
            let worker = profile.workers[device]
            // Only the parts of a common message are copied together, and int8 is written; others leave from where they are.
            let copied = messages.reduce(0) { sum, message in
                message.parts.reduce(sum) { sum, part in
                    let exchange = local.exchanges[part.exchange]
                    let dtype = local.buffers[exchange.source].dtype
                    if exchange.wire == .int8 { return sum + exchange.codingByteCount(of: part.transfer, dtype: dtype) }
                    return sum + (message.parts.count > 1 ? 2 * part.byteCount : 0)
                }
            }
            spend(
                device, instruction, .send, worker.instructionSeconds + Double(copied) / worker.memoryBandwidth)
        }
        for message in messages {
            let link = profile[device, message.peer]
            let seconds = Double(message.byteCount) / link.bandwidth
            let begin = max(clocks[device], outFree[device])
            outFree[device] = begin + seconds
            let end = max(begin + link.latency, inFree[message.peer]) + seconds
            inFree[message.peer] = end
            arrival[message.peer][index] = max(arrival[message.peer][index], end)
            awaited[message.peer][index] -= 1
        }
        sent[device][index] = clocks[device]
    }

    /// Bytes that adding up what arrived reads and writes, and that taking a common message apart, reading int8 and copying
    /// what stays do; that plain data gets to its place is in the link's figures.
    private func combining(_ index: Int, _ local: LocalProgram) -> Double {
        let isCommon = !local.exchanges[index].fused.isEmpty
        return local.exchangeIndices(startedBy: index).reduce(0) { sum, index in
            let exchange = local.exchanges[index]
            let dtype = local.buffers[exchange.source].dtype
            let received = exchange.receives.reduce(0) { $0 + exchange.plainByteCount(of: $1, dtype: dtype) }
            let decoded = exchange.receives.reduce(0) { $0 + exchange.codingByteCount(of: $1, dtype: dtype) }
            let copied = exchange.copies.reduce(0) { $0 + 2 * $1.from.elementCount * dtype.byteCount }
            if exchange.reduction == nil {
                return sum + Double(copied + (isCommon && exchange.wire == .exact ? 2 * received : decoded))
            }
            let rounded = exchange.wire == .exact ? 0 : copied * (local.buffers[exchange.source].nodes?.count ?? 1)
            return sum + Double(received + decoded + rounded + 2 * local.buffers[exchange.destination].byteCount)
        }
    }

    private mutating func spend(_ device: Int, _ instruction: Int, _ kind: Timeline.Kind, _ seconds: Double) {
        let start = clocks[device]
        clocks[device] = start + seconds
        entries[device].append(
            Timeline.Entry(instruction: instruction, start: start, end: start + seconds, kind: kind))
    }
}
