/// Why an origin could not be started.
public struct OriginError: Error, Sendable, CustomStringConvertible {
    public let description: String
}
