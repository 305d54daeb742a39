/// Arrays that loops read, as plain memory that lives as long as its owner: an executor, of all its kernels.
final class KernelMemory {
    private var areas: [UnsafeMutableRawPointer] = []

    deinit {
        for area in areas { area.deallocate() }
    }

    /// Room for elements, all of them `value` at first.
    func room<Element: BitwiseCopyable>(of value: Element, count: Int) -> UnsafeMutablePointer<Element> {
        let room = UnsafeMutablePointer<Element>.allocate(capacity: count)
        room.initialize(repeating: value, count: count)
        areas.append(UnsafeMutableRawPointer(room))
        return room
    }

    /// A copy of some elements.
    func list<Element: BitwiseCopyable>(_ elements: some Collection<Element>) -> List<Element> {
        let copy = UnsafeMutableBufferPointer<Element>.allocate(capacity: elements.count)
        _ = copy.initialize(from: elements)
        if let base = copy.baseAddress { areas.append(UnsafeMutableRawPointer(base)) }
        return List(copy)
    }
}

/// Elements in a ``KernelMemory``, or somewhere else that outlives their readers.
typealias List<Element> = UnsafeBufferPointer<Element>

/// A range that is plain memory, which `Range` is not.
struct Stretch: BitwiseCopyable {
    let lowerBound: Int
    let upperBound: Int

    init(_ range: Range<Int>) { (lowerBound, upperBound) = (range.lowerBound, range.upperBound) }

    var count: Int { upperBound - lowerBound }
    var isEmpty: Bool { count == 0 }
    var range: Range<Int> { lowerBound..<upperBound }
}
