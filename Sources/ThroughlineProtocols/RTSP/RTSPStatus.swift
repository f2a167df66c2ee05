/// The result of a request (RFC 2326 section 7.1.1, RFC 7826 section 17). Any three digits are a status.
package struct RTSPStatus: Hashable, Sendable {
    /// 100 to 999.
    package let code: Int

    package init?(code: Int) {
        guard (100...999).contains(code) else { return nil }
        self.code = code
    }

    private init(_ code: Int) { self.code = code }

    package static let `continue` = RTSPStatus(100)
    package static let ok = RTSPStatus(200)
    package static let created = RTSPStatus(201)
    package static let lowOnStorageSpace = RTSPStatus(250)
    package static let multipleChoices = RTSPStatus(300)
    package static let movedPermanently = RTSPStatus(301)
    package static let movedTemporarily = RTSPStatus(302)
    package static let seeOther = RTSPStatus(303)
    package static let notModified = RTSPStatus(304)
    package static let useProxy = RTSPStatus(305)
    package static let badRequest = RTSPStatus(400)
    package static let unauthorized = RTSPStatus(401)
    package static let paymentRequired = RTSPStatus(402)
    package static let forbidden = RTSPStatus(403)
    package static let notFound = RTSPStatus(404)
    package static let methodNotAllowed = RTSPStatus(405)
    package static let notAcceptable = RTSPStatus(406)
    package static let proxyAuthenticationRequired = RTSPStatus(407)
    package static let requestTimeout = RTSPStatus(408)
    package static let gone = RTSPStatus(410)
    package static let lengthRequired = RTSPStatus(411)
    package static let preconditionFailed = RTSPStatus(412)
    package static let requestEntityTooLarge = RTSPStatus(413)
    package static let requestURITooLong = RTSPStatus(414)
    package static let unsupportedMediaType = RTSPStatus(415)
    package static let parameterNotUnderstood = RTSPStatus(451)
    package static let conferenceNotFound = RTSPStatus(452)
    package static let notEnoughBandwidth = RTSPStatus(453)
    package static let sessionNotFound = RTSPStatus(454)
    package static let methodNotValidInThisState = RTSPStatus(455)
    package static let headerFieldNotValidForResource = RTSPStatus(456)
    package static let invalidRange = RTSPStatus(457)
    package static let parameterIsReadOnly = RTSPStatus(458)
    package static let aggregateOperationNotAllowed = RTSPStatus(459)
    package static let onlyAggregateOperationAllowed = RTSPStatus(460)
    package static let unsupportedTransport = RTSPStatus(461)
    package static let destinationUnreachable = RTSPStatus(462)
    package static let destinationProhibited = RTSPStatus(463)
    package static let dataTransportNotReadyYet = RTSPStatus(464)
    package static let notificationReasonUnknown = RTSPStatus(465)
    package static let keyManagementError = RTSPStatus(466)
    package static let connectionAuthorizationRequired = RTSPStatus(470)
    package static let internalServerError = RTSPStatus(500)
    package static let notImplemented = RTSPStatus(501)
    package static let badGateway = RTSPStatus(502)
    package static let serviceUnavailable = RTSPStatus(503)
    package static let gatewayTimeout = RTSPStatus(504)
    package static let versionNotSupported = RTSPStatus(505)
    package static let optionNotSupported = RTSPStatus(551)
    package static let proxyUnavailable = RTSPStatus(553)

    package var isInformational: Bool { code < 200 }
    package var isSuccess: Bool { (200..<300).contains(code) }
    package var isRedirection: Bool { (300..<400).contains(code) }
    package var isClientError: Bool { (400..<500).contains(code) }
    package var isServerError: Bool { (500..<600).contains(code) }

    /// The phrase of the RFCs; empty for a code that they do not name.
    package var reason: String {
        switch self {
        case .continue: "Continue"
        case .ok: "OK"
        case .created: "Created"
        case .lowOnStorageSpace: "Low on Storage Space"
        case .multipleChoices: "Multiple Choices"
        case .movedPermanently: "Moved Permanently"
        case .movedTemporarily: "Moved Temporarily"
        case .seeOther: "See Other"
        case .notModified: "Not Modified"
        case .useProxy: "Use Proxy"
        case .badRequest: "Bad Request"
        case .unauthorized: "Unauthorized"
        case .paymentRequired: "Payment Required"
        case .forbidden: "Forbidden"
        case .notFound: "Not Found"
        case .methodNotAllowed: "Method Not Allowed"
        case .notAcceptable: "Not Acceptable"
        case .proxyAuthenticationRequired: "Proxy Authentication Required"
        case .requestTimeout: "Request Time-out"
        case .gone: "Gone"
        case .lengthRequired: "Length Required"
        case .preconditionFailed: "Precondition Failed"
        case .requestEntityTooLarge: "Request Entity Too Large"
        case .requestURITooLong: "Request-URI Too Large"
        case .unsupportedMediaType: "Unsupported Media Type"
        case .parameterNotUnderstood: "Parameter Not Understood"
        case .conferenceNotFound: "Conference Not Found"
        case .notEnoughBandwidth: "Not Enough Bandwidth"
        case .sessionNotFound: "Session Not Found"
        case .methodNotValidInThisState: "Method Not Valid in This State"
        case .headerFieldNotValidForResource: "Header Field Not Valid for Resource"
        case .invalidRange: "Invalid Range"
        case .parameterIsReadOnly: "Parameter Is Read-Only"
        case .aggregateOperationNotAllowed: "Aggregate Operation Not Allowed"
        case .onlyAggregateOperationAllowed: "Only Aggregate Operation Allowed"
        case .unsupportedTransport: "Unsupported Transport"
        case .destinationUnreachable: "Destination Unreachable"
        case .destinationProhibited: "Destination Prohibited"
        case .dataTransportNotReadyYet: "Data Transport Not Ready Yet"
        case .notificationReasonUnknown: "Notification Reason Unknown"
        case .keyManagementError: "Key Management Error"
        case .connectionAuthorizationRequired: "Connection Authorization Required"
        case .internalServerError: "Internal Server Error"
        case .notImplemented: "Not Implemented"
        case .badGateway: "Bad Gateway"
        case .serviceUnavailable: "Service Unavailable"
        case .gatewayTimeout: "Gateway Time-out"
        case .versionNotSupported: "RTSP Version Not Supported"
        case .optionNotSupported: "Option Not Supported"
        case .proxyUnavailable: "Proxy Unavailable"
        default: ""
        }
    }
}

extension RTSPStatus: CustomStringConvertible {
    package var description: String { reason.isEmpty ? "\(code)" : "\(code) \(reason)" }
}
