/// How much each client has been given, for sharing the devices evenly (start-time fair queueing).
///
/// A client's account goes up with the work that is begun for it; the client with the lowest account comes next. Who was
/// away begins at the account of who was served last: time that nobody asked for is not saved up.
struct FairShares {
    private var accounts: [String: Double] = [:]
    /// Account of the client that was served last, before it was charged.
    private var virtualTime = 0.0

    /// A client has something to do, after it had nothing.
    mutating func enter(_ client: String) {
        accounts[client] = max(accounts[client] ?? 0, virtualTime)
    }

    /// A client has nothing to do any more; its account is kept as long as it is above that of all others.
    mutating func leave(_ client: String) {
        if accounts[client].map({ $0 <= virtualTime }) ?? false { accounts[client] = nil }
        // Those that left with more are forgotten once the others have caught up.
        if accounts.count > Self.keptMax { accounts = accounts.filter { $0.value > virtualTime } }
    }

    /// Accounts after which those are dropped that say nothing any more.
    private static let keptMax = 1000

    /// What a client has been given.
    func account(of client: String) -> Double { accounts[client] ?? virtualTime }

    /// Work is begun for a client.
    mutating func charge(_ client: String, _ work: Double) {
        let account = account(of: client)
        virtualTime = max(virtualTime, account)
        accounts[client] = account + work
    }
}
