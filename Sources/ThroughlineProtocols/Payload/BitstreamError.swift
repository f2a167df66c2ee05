/// Why bytes that should hold a parameter set, a header or a configuration record could not be read.
package enum BitstreamError: Error, Hashable, Sendable {
    /// The data ends before the structure does.
    case truncated
    /// A field holds a value that the standard does not allow, or a count is beyond its bound.
    case outOfRange
    /// Well formed as far as it was read, but not of the kind asked for.
    case unsupported
}
