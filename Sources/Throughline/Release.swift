/// What this is, for reports and for `--version`.
public enum Release {
    /// By semantic versioning: `0.1.0`.
    public static let version = "0.1.0"
}
