import SwiftProtobuf
import Tensor

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension WireTensor {
    /// Encodes a tensor.
    init(_ tensor: HostTensor) {
        self.init()
        dtype = tensor.dtype.rawValue
        dims = tensor.dims.map(UInt64.init)
        data = Data(tensor.bytes)
    }

    /// Decodes a tensor; its bytes match its shape and type.
    func value(_ what: @autoclosure () -> String) throws(ProtocolError) -> HostTensor {
        let type: DType = try Check.word(dtype, "the element type of \(what())")
        let sizes = try Check.dims(dims, what())
        let count = sizes.reduce(1, *) * type.byteCount
        guard data.count == count else {
            throw ProtocolError(
                .bounds, "\(what()) has \(data.count) bytes, but \(type.rawValue)\(sizes) has \(count)")
        }
        return HostTensor(dtype: type, dims: sizes, bytes: [UInt8](data))
    }
}
