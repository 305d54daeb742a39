import SwiftProtobuf

/// Turns envelopes into bytes and back.
///
/// Decoding takes any bytes: it checks sizes, counts, ranges, words and references, and throws ``ProtocolError``; it
/// never traps.
public enum Codec {
    /// The bytes of an envelope.
    ///
    /// Throws ``ProtocolError`` (`size`) where no peer would accept them.
    public static func encode(_ envelope: Envelope) throws(ProtocolError) -> [UInt8] {
        try encode(envelope, version: ProtocolVersion.current)
    }

    /// As ``encode(_:)``, as if by an end of another version: for tests of the version check.
    package static func encode(_ envelope: Envelope, version: UInt32) throws(ProtocolError) -> [UInt8] {
        var wire = WireEnvelope()
        wire.version = version
        wire.clusterID = envelope.clusterID
        wire.epoch = envelope.epoch
        wire.body = WireBody.encode(envelope.message)
        let bytes: [UInt8]
        do {
            bytes = try wire.serializedBytes()
        } catch {
            throw ProtocolError(.malformed, "a \(envelope.message.name) message cannot be encoded: \(error)")
        }
        guard bytes.count <= ProtocolLimits.memberBytes else {
            throw ProtocolError(
                .size,
                "a \(envelope.message.name) message has \(bytes.count) bytes, but a peer accepts"
                    + " \(ProtocolLimits.memberBytes): use fewer pictures in a batch")
        }
        return bytes
    }

    /// The envelope in `bytes`, which are at most `limit`.
    ///
    /// Throws ``ProtocolError``; `version` where the sender speaks another version, whatever else is in the message.
    public static func decode(
        _ bytes: [UInt8], limit: Int = ProtocolLimits.memberBytes
    ) throws(ProtocolError) -> Envelope {
        guard bytes.count <= limit else {
            throw ProtocolError(.size, "a message of \(bytes.count) bytes is longer than the \(limit) allowed here")
        }
        let wire: WireEnvelope
        do {
            wire = try WireEnvelope(serializedBytes: bytes)
        } catch {
            throw ProtocolError(.malformed, "\(bytes.count) bytes are no message of the protocol")
        }
        guard wire.version == ProtocolVersion.current else {
            throw ProtocolError(
                .version,
                "this end speaks protocol version \(ProtocolVersion.current), the other end version \(wire.version):"
                    + " run the same build of tessera on all machines")
        }
        guard let body = wire.body else { throw ProtocolError(.missing, "a message has no body") }
        return Envelope(
            clusterID: try Check.name(wire.clusterID, "the cluster id"), epoch: wire.epoch,
            message: try WireBody.decode(body))
    }
}
