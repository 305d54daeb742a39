import Coordinator
import Program
import Sharding
import Testing

/// Rules and overrides keep their places, and problems that show only against a model point to them.
@Suite struct AnnotationPlacesTests {
    private static func problems(_ text: String) throws -> ConfigurationError? {
        let configuration = try ClusterConfiguration.parse(text, file: "c.yaml")
        return #expect(throws: ConfigurationError.self) { try configuration.planned() }
    }

    @Test func placesAreKept() throws {
        let configuration = try ClusterConfiguration.parse(
            """
            model: {preset: amused-tiny}
            mesh: {model: 4}
            rules:
              heads: model
              mlp: {axes: ["model:(1)2"], priority: 1}
            overrides:
              - dimensions: [model]
                parameter: "*.bias"
            """, file: "c.yaml")
        #expect(
            configuration.places
                == RulePlaces(
                    file: "c.yaml",
                    rules: [
                        "heads": .init(line: 4, column: 3, length: 5), "mlp": .init(line: 5, column: 3, length: 3),
                    ],
                    overrides: [.init(line: 8, column: 16, length: 8)]))
        #expect(configuration.rules.rules == ["heads": ["model"], "mlp": ["model:(1)2"]])
        #expect(configuration.rules.priorities == ["mlp": 1])
    }

    @Test func contradictionsNameBothPlaces() throws {
        let error = try Self.problems(
            """
            model: {preset: amused-tiny}
            mesh: {model: 2}
            rules:
              guidance: model
              heads: model
            """)
        let rendered = try #require(error?.rendered)
        #expect(
            rendered.hasPrefix("c.yaml:5:3: error: rules.heads: mesh axis model would split dimensions "), "\(rendered)"
        )
        #expect(
            rendered.contains("by guidance: [model] (c.yaml:4)") && rendered.contains("by heads: [model] (c.yaml:5)"))
        #expect(rendered.contains("   5 |   heads: model"))
    }

    @Test func overridesThatNameNothingAreErrors() throws {
        let error = try Self.problems(
            """
            model: {preset: amused-tiny}
            mesh: {model: 2}
            overrides:
              - {parameter: "transformer.*.attn1.to_q.weigth", dimensions: [model, [], []]}
              - {parameter: "*.attn1.to_k.weight", dimensions: [model]}
            """)
        let problems = try #require(error?.problems)
        #expect(problems.map(\.keyPath) == ["overrides[0]", "overrides[1]"])
        #expect(problems[0].message.hasPrefix("no weight of the model matches 'transformer.*.attn1.to_q.weigth'"))
        #expect(problems[0].nearest?.hasSuffix(".attn1.to_q.weight") == true)
        #expect(problems[0].location == .text(line: 4, column: 17, length: 33))
        #expect(problems[1].message.contains("lists 1 dimensions but "))
    }
}
