"""Object stores that speak S3, through Arrow's own client."""
