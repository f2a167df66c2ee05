internal import CCurl
internal import ThroughlineCore

/// What libcurl says of a failure, for people: with what to do about it, and without what nobody may read.
enum CurlWords {
    /// What is known of a failure.
    struct Failure {
        var result: CURLcode
        /// `CURLOPT_ERRORBUFFER`.
        var text: String
        /// `CURLINFO_SSL_VERIFYRESULT`: OpenSSL's number for what is wrong with the certificate, 0 for nothing.
        var certificate = 0
        /// `CURLINFO_HTTP_CONNECTCODE`: what a proxy answered; 0 for nothing.
        var proxyAnswer = 0
        /// Whom the connection was for.
        var host = ""
        var port = 0
        /// The environment names a proxy.
        var mayBeProxied = false
    }

    /// The names under which the environment has proxies, in the order of their fame.
    static let proxyVariables = ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]

    static func text(of failure: Failure) -> String {
        if failure.proxyAnswer >= 300 { return answer(ofProxy: failure.proxyAnswer) }
        let text = withoutPasswords(failure.text).printable(limit: 200)
        // libcurl repeats the value, with the user and the password in it.
        if let end = text.firstRange(of: "Unsupported proxy "), let quote = text.firstIndex(of: "'") {
            let what = text[end.upperBound..<quote].split(separator: " ").first.map { String($0) } ?? "value"
            return "the proxy in the environment has an impossible \(what): \(remedy)"
        }
        switch failure.result {
        case CURLE_PEER_FAILED_VERIFICATION where untrusted.contains(failure.certificate):
            return "\(text); where you trust it, name a PEM file of its authority, or of itself, with --ca-file"
        case CURLE_SSL_CACERT_BADFILE:
            return "\(text): --ca-file names a file that holds certificates in PEM form"
        case CURLE_COULDNT_RESOLVE_PROXY:
            return "\(text): \(remedy)"
        case CURLE_COULDNT_CONNECT
        where failure.mayBeProxied && text.hasPrefix("Failed to connect to ")
            && !text.hasPrefix("Failed to connect to \(bare(failure.host)) port \(failure.port) "):
            return "\(text), the proxy: \(remedy)"
        default: return text
        }
    }

    /// In place of an error, where a proxy answered.
    static func answer(ofProxy status: Int) -> String {
        status == 407
            ? "the proxy asks for a user and a password: give them as in http_proxy=http://user:password@proxy:3128"
            : "the proxy answered \(status)"
    }

    /// libcurl names an IPv6 address without brackets.
    private static func bare(_ host: String) -> String { host.filter { $0 != "[" && $0 != "]" } }

    private static let remedy = "look at http_proxy, https_proxy, all_proxy and no_proxy"

    /// `X509_V_ERR_*` of OpenSSL (`x509_vfy.h`) for a certificate whose signer is not known here.
    private static let untrusted: Set<Int> = [2, 18, 19, 20, 21, 27]
}
