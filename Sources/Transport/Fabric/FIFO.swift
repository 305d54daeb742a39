/// A queue in an array: amortised constant time at both ends.
struct FIFO<Element> {
    private var elements: [Element?] = []
    private var head = 0

    /// True where nothing waits.
    var isEmpty: Bool { head == elements.count }

    /// Elements that wait.
    var count: Int { elements.count - head }

    /// The next element.
    var first: Element? { isEmpty ? nil : elements[head] }

    /// Adds at the end.
    mutating func append(_ element: Element) { elements.append(element) }

    /// Takes the next element.
    mutating func popFirst() -> Element? {
        guard !isEmpty else { return nil }
        let element = elements[head]
        elements[head] = nil
        head += 1
        if isEmpty {
            elements.removeAll(keepingCapacity: true)
            head = 0
        } else if head > 64, head * 2 > elements.count {
            elements.removeFirst(head)
            head = 0
        }
        return element
    }
}
