import Foundation
import HTTPTypes
import Hummingbird
import Models

extension HTTPField.Name {
    /// A client's word for a request: the same one is served once (draft-ietf-httpapi-idempotency-key-header).
    static let idempotencyKey = HTTPField.Name("idempotency-key")!
    /// OpenAI's clients count their attempts in it, from 0.
    static let retryCount = HTTPField.Name("x-stainless-retry-count")!
    /// OpenAI's clients tell how many seconds they wait for an answer's next byte.
    static let readTimeout = HTTPField.Name("x-stainless-read-timeout")!
}

extension OrderTicket {
    /// Attempts that OpenAI's clients make unless they are told otherwise (`max_retries` 2).
    private static let usualAttempts = 3
    /// Longest idempotency key.
    private static let keyByteLimit = 255

    /// A ticket for an order that the Images API words; where somebody waits for its answer, `headers` are the request's.
    init(_ picture: PictureFields, _ headers: HTTPFields = [:], owner: String, kind: Job.Kind) {
        let previewCount = picture.isStream ? picture.partialImages : 0
        self.init(
            order: PictureOrder(
                picture.request, previewCount: previewCount, client: owner, priority: picture.priority,
                deadline: picture.deadline ?? Self.patience(picture, headers), format: picture.format),
            owner: owner, kind: kind,
            keepsPictures: picture.isURL)
    }

    /// How long the client will wait for the answer, by what it tells of itself; nil: it is not known, or for as long as
    /// it takes.
    ///
    /// `x-stainless-read-timeout` is the longest silence that an OpenAI client bears: the whole time of an answer that is
    /// no stream. When it is over the client comes back, twice unless it was told otherwise, and joins its order again; so
    /// its patience is that of this attempt and of those that follow. Who shows an idempotency key can fetch the answer
    /// later, and has all the time.
    private static func patience(_ picture: PictureFields, _ headers: HTTPFields) -> Duration? {
        guard !picture.isStream, headers[.idempotencyKey] == nil,
            let seconds = headers[.readTimeout].flatMap({ Double($0) }),
            (0...PictureFields.longestDeadline).contains(seconds)
        else { return nil }
        let attempt = headers[.retryCount].flatMap { Int($0) } ?? usualAttempts
        return .seconds(seconds * Double(max(1, usualAttempts - max(0, attempt))))
    }

    /// Reads what the request's header says about attempts.
    ///
    /// Throws ``APIError``.
    mutating func read(_ request: Request, _ fields: RequestFields, files: [String: [UInt8]] = [:]) throws(APIError) {
        if let key = request.headers[.idempotencyKey] {
            guard (1...Self.keyByteLimit).contains(key.utf8.count), key.utf8.allSatisfy({ (0x20...0x7E).contains($0) })
            else {
                throw .invalid(
                    "Idempotency-Key",
                    "Idempotency-Key must have 1 to \(Self.keyByteLimit) printable characters")
            }
            idempotencyKey = key
        }
        if let count = request.headers[.retryCount].flatMap({ Int($0) }), count >= 0 {
            (mayRetry, isRetry) = (true, count > 0)
        }
        guard idempotencyKey != nil || mayRetry else { return }
        digest = Self.digest(request.uri.path, fields, files)
    }

    /// SHA-256 of what is asked for: a form's boundary, which is new with every attempt, does not count.
    private static func digest(_ path: String, _ fields: RequestFields, _ files: [String: [UInt8]]) -> String {
        var hash = SHA256()
        hash.update(Array(path.utf8) + [0])
        hash.update(fields.canonical)
        for (name, bytes) in files.sorted(by: { $0.key < $1.key }) {
            hash.update(Array("\0\(name) \(bytes.count)\0".utf8))
            hash.update(bytes)
        }
        return hash.hexadecimal()
    }
}
