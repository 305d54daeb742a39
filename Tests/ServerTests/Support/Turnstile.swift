/// Lets one through after the other: a cluster with one slot.
actor Turnstile {
    private var isTaken = false

    /// Waits until there is nobody in it.
    func enter() async throws {
        while isTaken { try await Task.sleep(for: .milliseconds(1)) }
        try Task.checkCancellation()
        isTaken = true
    }

    func leave() { isTaken = false }
}
