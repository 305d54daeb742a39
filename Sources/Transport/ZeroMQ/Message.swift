import CZeroMQ

/// Room for one libzmq message, reused from frame to frame.
struct Message: ~Copyable {
    let pointer: UnsafeMutablePointer<zmq_msg_t>

    /// An empty message.
    init() {
        pointer = .allocate(capacity: 1)
        zmq_msg_init(pointer)
    }

    deinit {
        zmq_msg_close(pointer)
        pointer.deallocate()
    }

    /// Gives the bytes back.
    func clear() {
        zmq_msg_close(pointer)
        zmq_msg_init(pointer)
    }

    /// The bytes, valid until the next receive or the end of the message.
    var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: zmq_msg_data(pointer), count: zmq_msg_size(pointer))
    }

    /// True where another frame of the same message follows.
    var hasMore: Bool { zmq_msg_more(pointer) != 0 }

    /// Descriptor of the connection that the message came over; nil where unknown.
    var connection: Int32? {
        let descriptor = zmq_msg_get(pointer, ZMQ_SRCFD)
        return descriptor >= 0 ? descriptor : nil
    }
}
