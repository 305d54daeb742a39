import SwiftProtobuf

extension WireHeartbeat {
    /// Encodes a sign of life.
    init(_ beat: Heartbeat) {
        self.init()
        sequence = beat.sequence
        steps = beat.steps
        if let value = beat.report { report = WireWorkerReport(value) }
    }

    /// Decodes a sign of life.
    func value() throws(ProtocolError) -> Heartbeat {
        Heartbeat(sequence: sequence, steps: steps, report: hasReport ? try report.value() : nil)
    }
}

extension WireWorkerReport {
    /// Encodes a report.
    init(_ report: WorkerReport) {
        self.init()
        residentBytes = UInt64(clamping: report.residentByteCount)
        heldBytes = UInt64(clamping: report.heldByteCount)
        computeNanoseconds = report.computeTime.wireNanoseconds
        collectiveNanoseconds = report.collectiveTime.wireNanoseconds
        sentBytes = report.sentByteCounts.map { UInt64(clamping: $0) }
        if let call = report.running {
            running.programKey = call.programKey
            running.request = call.request
            running.step = call.step
        }
    }

    /// Decodes a report.
    func value() throws(ProtocolError) -> WorkerReport {
        var sent: [Int] = []
        for count in try Check.entries(sentBytes, ProtocolLimits.devices, "counts of sent bytes") {
            sent.append(try Check.count(count, ProtocolLimits.lifetimeCount, "a count of sent bytes"))
        }
        var call: WorkerReport.Running?
        if hasRunning {
            call = WorkerReport.Running(
                programKey: try Check.required(running.programKey, "the key of the running program"),
                request: running.request, step: running.step)
        }
        return WorkerReport(
            residentByteCount: try Check.count(residentBytes, ProtocolLimits.memoryBytes, "the resident memory"),
            heldByteCount: try Check.count(heldBytes, ProtocolLimits.memoryBytes, "the held memory"),
            computeTime: .nanoseconds(
                try Check.count(computeNanoseconds, ProtocolLimits.lifetimeCount, "the compute time")),
            collectiveTime: .nanoseconds(
                try Check.count(collectiveNanoseconds, ProtocolLimits.lifetimeCount, "the collective time")),
            sentByteCounts: sent, running: call)
    }
}
