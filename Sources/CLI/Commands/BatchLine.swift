import ArgumentParser
import Foundation
import Protocol
import Server

/// One line of a ``BatchFile``: a JSON object with the settings of a picture.
struct BatchLine {
    private let fields: Fields
    private let number: Int

    private enum Key: String, CodingKey, CaseIterable {
        case prompt, name
        case negativePrompt = "negative_prompt"
        case seed, steps
        case guidanceScale = "guidance_scale"
        case temperature, size, image, mask, strength
    }

    /// The object, whose values are looked at one by one.
    private struct Fields: Decodable {
        let container: KeyedDecodingContainer<Key>

        init(from decoder: any Decoder) throws {
            let all = try decoder.singleValueContainer().decode([String: Ignored].self)
            if let unknown = all.keys.filter({ Key(rawValue: $0) == nil }).min() {
                let known = Key.allCases.map(\.rawValue).joined(separator: ", ")
                throw Problem("there is no key '\(unknown)'; keys are \(known).")
            }
            container = try decoder.container(keyedBy: Key.self)
        }
    }

    /// A value of any kind.
    private struct Ignored: Decodable { init(from decoder: any Decoder) {} }

    /// Throws ``Problem`` where the line is no JSON object, or has a key that no order has.
    init(_ line: Data, number: Int) throws {
        self.number = number
        do {
            fields = try JSONDecoder().decode(Fields.self, from: line)
        } catch let problem as Problem {
            throw problem
        } catch {
            throw Problem("the line is no JSON object.")
        }
    }

    /// What is wrong with a line.
    struct Problem: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }

    /// The order; pictures it names are read, relative to `folder`.
    ///
    /// Throws ``Problem``.
    func order(folder: URL) throws -> BatchFile.Order {
        let prompt = try text(.prompt) ?? ""
        if prompt.allSatisfy(\.isWhitespace) { throw Problem("\"prompt\" is missing or empty.") }
        let name = try text(.name) ?? String(number)
        guard (1...200).contains(name.count), !name.hasPrefix("."), !name.contains("/"), !name.contains("\0") else {
            throw Problem("\"name\" is no file name.")
        }
        let seed = try integer(.seed, 0...Int.max) ?? number
        let temperature = try number(.temperature, 0...100)
        let strength = try number(.strength, Double.leastNonzeroMagnitude...1)
        var size: PictureSize?
        if let given = try text(.size) {
            do {
                size = try PictureSize.parse(given)
            } catch { throw Problem("\"size\": \(error)") }
        }
        let image = try picture(.image, folder)
        let mask = try picture(.mask, folder)
        if image.isEmpty && !(mask.isEmpty && strength == nil) {
            throw Problem("\"mask\" and \"strength\" need \"image\".")
        }
        if !image.isEmpty && size != nil { throw Problem("\"size\" and \"image\" exclude each other.") }
        return BatchFile.Order(
            name: name,
            order: Generate(
                job: UInt64(number), prompt: prompt, negativePrompt: try text(.negativePrompt) ?? "",
                seed: UInt64(seed), steps: try integer(.steps, 1...1000) ?? 0,
                guidanceScale: try number(.guidanceScale, 0...100), temperatureStart: temperature, count: 1,
                width: size?.width ?? 0, height: size?.height ?? 0, image: image, mask: mask, strength: strength))
    }

    /// The value of a key; nil where it is absent or null.
    private func value<Value: Decodable>(_ key: Key, _ kind: String) throws -> Value? {
        do {
            return try fields.container.decodeIfPresent(Value.self, forKey: key)
        } catch { throw Problem("\"\(key.rawValue)\" is no \(kind).") }
    }

    private func text(_ key: Key) throws -> String? { try value(key, "text") }

    private func number(_ key: Key, _ range: ClosedRange<Double>) throws -> Double? {
        let lower = range.lowerBound == Double.leastNonzeroMagnitude ? "more than 0" : "\(range.lowerBound)"
        let kind = "number from \(lower) to \(range.upperBound)"
        guard let number: Double = try value(key, kind) else { return nil }
        guard range.contains(number) else { throw Problem("\"\(key.rawValue)\" is no \(kind).") }
        return number
    }

    private func integer(_ key: Key, _ range: ClosedRange<Int>) throws -> Int? {
        let kind = "whole number from \(range.lowerBound) to \(range.upperBound)"
        guard let number: Int = try value(key, kind) else { return nil }
        guard range.contains(number) else { throw Problem("\"\(key.rawValue)\" is no \(kind).") }
        return number
    }

    /// The bytes of a picture that can be read; none where the key is absent.
    private func picture(_ key: Key, _ folder: URL) throws -> [UInt8] {
        guard let name = try text(key) else { return [] }
        let url = URL(filePath: name, relativeTo: folder)
        do {
            _ = try PictureFile.read(url.path)
            return Array(try Data(contentsOf: url))
        } catch { throw Problem("\"\(key.rawValue)\": \(error)") }
    }
}
