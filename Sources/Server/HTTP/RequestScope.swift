/// What a log line belongs to.
public enum RequestScope {
    /// Id of the HTTP request, or of the order, that the running task serves; nil outside of any.
    ///
    /// Tasks that are started for it inherit it, so that every line of one request can be found by it.
    @TaskLocal public static var id: String?
}
