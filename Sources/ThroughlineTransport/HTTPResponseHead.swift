/// What a response said before its body.
package struct HTTPResponseHead: Sendable {
    /// One header field of a response.
    package struct Field: Hashable, Sendable {
        /// In lower case.
        package var name: String
        package var value: String
    }

    /// 200 or 206; 416 for a request that begins exactly at the end, whose body is empty.
    package var status: Int
    /// The URL that answered, after redirects, without credentials.
    package var effectiveURL: String
    package var contentType: String?
    /// The length of this body in bytes, when it is known beforehand.
    package var contentLength: Int64?
    /// The length of the whole object in bytes, when the origin told.
    package var totalLength: Int64?
    /// The offset of the body's first byte in the object.
    package var rangeStart: Int64
    package var acceptsRanges: Bool
    package var etag: String?
    package var lastModified: String?
    /// How long the origin wants to be left alone.
    package var retryAfter: Duration?
    package var altSvc: String?
    /// All fields, in the order received.
    package var headers: [Field]

    /// The value of the first field with this name, in lower case.
    package func value(of name: String) -> String? { headers.first { $0.name == name }?.value }
}

/// How long it took to get a response.
package struct TransportTimings: Sendable {
    /// From the start until the connection stood, TLS included; `nil` when one was reused or none came about.
    package var connect: Duration?
    /// From the start of the last request until the first byte of its response.
    package var firstByte: Duration?
    package var reusedConnection: Bool
}
