import Program
import SwiftProtobuf
import Tensor

extension WireHello {
    /// Encodes an introduction.
    init(_ hello: Hello) {
        self.init()
        buildVersion = hello.buildVersion
        worker = hello.worker
        modelHash = hello.modelHash
        isa = hello.isa
        cpuCount = UInt32(clamping: hello.cpuCount)
        memoryBytes = UInt64(clamping: hello.memoryByteCount)
        processID = UInt32(clamping: hello.processID)
        host = hello.host
    }

    /// Decodes an introduction.
    func value() throws(ProtocolError) -> Hello {
        Hello(
            buildVersion: try Check.name(buildVersion, "the build version"),
            worker: try Check.required(worker, "the worker's name"),
            modelHash: try Check.name(modelHash, "the model hash"), isa: try Check.name(isa, "the instruction set"),
            cpuCount: try Check.count(cpuCount, ProtocolLimits.threads, "the core count"),
            memoryByteCount: try Check.count(memoryBytes, ProtocolLimits.memoryBytes, "the memory size"),
            processID: Int(processID), host: try Check.name(host, "the host name"))
    }
}

extension WireAssign {
    /// Encodes an assignment.
    init(_ assign: Assign) {
        self.init()
        rank = UInt32(clamping: assign.rank)
        deviceCount = UInt32(clamping: assign.deviceCount)
        dtype = assign.dtype.rawValue
        threads = UInt32(clamping: assign.threads)
        memoryLimitBytes = UInt64(clamping: assign.memoryLimit ?? 0)
        heartbeatNanoseconds = assign.heartbeat.wireNanoseconds
        silenceNanoseconds = assign.silence.wireNanoseconds
        callNanoseconds = assign.callDeadline.wireNanoseconds
        carrier = assign.carrier.rawValue
        linkEncryption = assign.linkEncryption.rawValue
    }

    /// Decodes an assignment.
    func value() throws(ProtocolError) -> Assign {
        let devices = try Check.count(deviceCount, ProtocolLimits.devices, "the device count")
        let limit = try Check.count(memoryLimitBytes, ProtocolLimits.memoryBytes, "the memory limit")
        let heartbeat = try Check.duration(heartbeatNanoseconds, "the heartbeat interval")
        guard heartbeat >= .milliseconds(1) else {
            throw ProtocolError(.bounds, "the heartbeat interval is \(heartbeat), which is below a millisecond")
        }
        return Assign(
            rank: try Check.index(rank, 0..<devices, "the rank"), deviceCount: devices,
            dtype: try Check.word(dtype, "the activation type"),
            threads: try Check.count(threads, ProtocolLimits.threads, "the thread count"),
            memoryLimit: limit == 0 ? nil : limit, heartbeat: heartbeat,
            silence: try Check.duration(silenceNanoseconds, "the longest silence"),
            callDeadline: try Check.duration(callNanoseconds, "the deadline of a call"),
            carrier: try Check.word(carrier, "the carrier of data"),
            linkEncryption: try Check.word(linkEncryption, "the encryption of links"))
    }
}

extension WireConnect {
    /// Encodes the peers' endpoints.
    init(_ endpoints: [String]) {
        self.init()
        self.endpoints = endpoints
    }

    /// Decodes the peers' endpoints.
    func value() throws(ProtocolError) -> [String] {
        var result: [String] = []
        for endpoint in try Check.entries(endpoints, ProtocolLimits.devices, "endpoints") {
            result.append(try Check.required(endpoint, "the endpoint of rank \(result.count)"))
        }
        return result
    }
}
