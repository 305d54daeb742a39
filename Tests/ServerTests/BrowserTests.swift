import Coordinator
import HTTPProbe
import Server
import Testing

/// What pages of other origins may do: nothing, unless they are listed.
@Suite(.timeLimit(.minutes(10))) struct BrowserTests {
    private static let question = [
        "origin": "https://studio.example", "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, content-type",
    ]

    @Test func nobodyIsAdmittedByDefault() async throws {
        try await serving(FakeService()) { port in
            let question = try await HTTPProbe.exchange(
                port: port, "OPTIONS", "/v1/images/generations", headers: Self.question)
            #expect(question.status == 405 && question.headers["access-control-allow-origin"] == nil)
            let answer = try await generate(port, #"{"prompt": "x"}"#, headers: ["origin": "https://studio.example"])
            #expect(answer.status == 200)
            #expect(!answer.headers.keys.contains { $0.hasPrefix("access-control-") })
        }
    }

    @Test func listedOriginsAre() async throws {
        try await serving(FakeService(), origins: ["https://studio.example"]) { port in
            let question = try await HTTPProbe.exchange(
                port: port, "OPTIONS", "/v1/images/generations", headers: Self.question)
            #expect(question.status == 204)
            #expect(question.headers["access-control-allow-origin"] == "https://studio.example")
            #expect(question.headers["access-control-allow-methods"] == "POST")
            #expect(question.headers["access-control-allow-headers"]?.contains("authorization") == true)
            let answer = try await generate(port, #"{"prompt": "x"}"#, headers: ["origin": "https://studio.example"])
            #expect(answer.status == 200 && answer.headers["vary"] == "origin")
            #expect(answer.headers["access-control-allow-origin"] == "https://studio.example")
            #expect(answer.headers["access-control-expose-headers"]?.contains("x-request-id") == true)
            // Errors, too, or the page could not tell what is wrong.
            let wrong = try await generate(port, "{}", headers: ["origin": "https://studio.example"])
            #expect(wrong.status == 400 && wrong.headers["access-control-allow-origin"] != nil)
            for origin in ["https://other.example", "http://studio.example", "null", "https://studio.example.org"] {
                let other = try await generate(port, #"{"prompt": "x"}"#, headers: ["origin": origin])
                #expect(other.headers["access-control-allow-origin"] == nil, "\(origin)")
                let asked = try await HTTPProbe.exchange(
                    port: port, "OPTIONS", "/v1/images/generations",
                    headers: Self.question.merging(["origin": origin]) { $1 })
                #expect(asked.status == 405 && asked.headers["access-control-allow-origin"] == nil, "\(origin)")
            }
        }
    }
}
